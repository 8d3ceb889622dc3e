"""Rules for what a plan may hold: importable policies of the `pulumi-policy` SDK.

Every `preview` runs them in this process (`envctl.policies.run`); `policies/` at the root of the repository assembles
them as a CrossGuard pack for those who run the Pulumi CLI themselves. A module per concern; the docstring of a rule's
function is its page. Importing this package imports nothing; its modules import the SDK.
"""
