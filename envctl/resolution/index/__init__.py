"""Package indexes behind the face of `envctl.resolution.protocol.PackageSource`.

`source` joins the parts: `settings` (where to ask), `transport` (how to ask), `simple_html` and `simple_json`
(what an index page says), `page` (its compact form), `cache` (what was asked before), `remote_wheel`, `sdist`
and `core_metadata` (what a distribution declares). Nothing from a package is ever executed.
"""
