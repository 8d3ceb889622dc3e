"""The shipped catalogue is what `tools/build_catalogue.py` makes of its input."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from envctl.image_versions import image_versions
from envctl.resolution.catalogue import SHIPPED, Catalogue
from envctl.resolution.image import Basis

ROOT = Path(__file__).parents[2]
SOURCE = os.environ.get("ENVCTL_CATALOGUE_SOURCE", "")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("build_catalogue", ROOT / "tools" / "build_catalogue.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.skipif(
    not SOURCE, reason="ENVCTL_CATALOGUE_SOURCE names no folder with the lists of preinstalled packages"
)
def test_the_shipped_files_are_what_the_tool_makes(tool, tmp_path):
    tool.build_catalogue(Path(SOURCE), tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_bytes() for path in SHIPPED.iterdir()}
    assert made.keys() == shipped.keys()
    assert [name for name, data in made.items() if shipped[name] != data] == []


LISTS = {
    "composer-2.13.8-airflow-2.10.5": "apache-airflow==2.10.5+composer\npip==23.2.1\npandas==2.1.4\n",
    "composer-3-airflow-2.10.5-build.33": "apache-airflow==2.10.5+composer\npip==23.2.1\npandas==2.1.4\nnumpy==1\n",
    "composer-3-airflow-2.9.3-build.53": "apache-airflow==2.9.3+composer\npip==24.0\n",
}
VERSIONS = """\
image\trelease_date\tsupport_end\tsupport_end_basis\tairflow\tpython\tdefault\textended_upgrade_timeline\tnote\tsource
composer-2.13.8-airflow-2.10.5\t2025-07-28\t2026-07-28\trelease date + 12 months (policy)\t2.10.5\t3.11.8\t\t\t\tnotes
composer-3-airflow-2.10.5-build.10\t2025-07-23\t2026-07-23\tversion list page\t2.10.5\t3.11.8\t\t\t\tnotes
composer-2.16.10-airflow-2.10.5\t2026-04-01\t2027-04-01\trelease date + 12 months (policy)\t2.10.5\t3.11.8\t\t\t\tnotes
composer-3-airflow-2.10.5-build.33\t2026-04-01\t2027-04-01\tversion list page\t2.10.5\t3.11.8\t\t\t\tnotes
composer-3-airflow-2.9.3-build.53\t2026-04-01\t2027-04-01\tversion list page\t2.9.3\t3.11\t\t\t\tnotes
"""
SOURCES = """\
## Full lists
| file | source repo and path | commit | packages | Python | complete? | doubts |
|---|---|---|---|---|---|---|
| composer-2.13.8-airflow-2.10.5 | acme/dags `Pipfile` | 39c53c8b0d7e24e2af6f6ae635ed4721c1ee94dc (2025-08-04) | 3 | 3.11.8 | yes | none |

## Partial lists
| composer-3-airflow-3.3.1-build.0 | head of the page (2026-08-26) | 1 | not stated | the rest |

| composer-2.13.8-airflow-2.10.5 | composer-3-airflow-2.10.5-build.10 | 2025-07-28 |

# Second collection
| VP, package page | acme/radar | `pages/packages.md` | 3fa441803598d39dd118e8dabcd3c3cec80d2e06 | 1 | 2 |
| VL, version list | same | same folder | same | 1 | 2 |
| composer-3-airflow-2.10.5-build.33 | 4 | 3.11.8 | typed | VP 1,900 | F |
| composer-3-airflow-2.9.3-build.53 | 2 | 3.11 | typed | VL 1,900 | - |
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "lists"
    (folder / "partial").mkdir(parents=True)
    (folder / "resolver-facts").mkdir()
    for name, text in LISTS.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "partial" / "composer-3-airflow-3.3.1-build.0.txt").write_text("absl-py==2.4.0\n")
    (folder / "partial" / "composer-2.13.8-airflow-2.10.5.txt").write_text("pip==23.2.1\n")
    (folder / "resolver-facts" / "extra-requires-airflow-2.6.3.txt").write_text("pandas>=1\n")
    (folder / "resolver-facts" / "extra-requires-airflow-2025-with-pip-pin.txt").write_text("pandas>=1\nnumpy>=1\n")
    (folder / "resolver-facts" / "extra-requires-airflow-3-commit-1.txt").write_text("pandas>=2\n")
    (folder / "image-versions.tsv").write_text(VERSIONS)
    (folder / "SOURCES.md").write_text(SOURCES)
    (folder / "requirements-metadata.jsonl").write_text(
        '{"name":"apache-airflow","version":"2.10.5+composer","requires_dist":[],"requires_python":null,"provides_extra":[]}\n'
        '{"name":"pandas","version":"2.1.4","requires_dist":["numpy<2"],"requires_python":null,"provides_extra":[]}\n'
    )
    return folder


def test_lists_sources_pairs_and_doubts(tool, source, tmp_path):
    records = {one.name: one for one in tool.build_catalogue(source, tmp_path / "out")}
    assert list(records) == [
        "composer-2.13.8-airflow-2.10.5",
        "composer-3-airflow-2.9.3-build.53",
        "composer-3-airflow-2.10.5-build.33",
        "composer-3-airflow-3.3.1-build.0",
    ]
    old, twin, odd, part = (records[name] for name in [*LISTS, "composer-3-airflow-3.3.1-build.0"])
    assert old.source == "acme/dags Pipfile at 39c53c8b0d7e24e2af6f6ae635ed4721c1ee94dc"
    assert (old.date, old.complete, old.packages) == ("2025-08-04", True, 3)
    assert old.pairs == ("composer-3-airflow-2.10.5-build.10",)  # named in SOURCES.md: the days differ
    assert old.doubt == "The list does not satisfy numpy<2 of its own pandas: it may hold an error."
    assert twin.pairs == ("composer-2.16.10-airflow-2.10.5",)  # the same day
    assert "versions-packages (CC BY 4.0), copied in acme/radar at 3fa44180" in twin.source
    assert "composer-versions (CC BY 4.0), copied in acme/radar at 3fa44180" in odd.source
    assert odd.doubt == "The list says pip 24.0; 2 others of Python 3.11 say 23.2.1."
    assert (odd.python, odd.python_stated) == ("3.11.8", False)
    assert (part.complete, part.date, part.pip_stated) == (False, "2026-08-26", False)
    loaded = Catalogue((tmp_path / "out",)).choose("composer-3-airflow-2.10.5-build.33").image
    assert loaded.packages["apache-airflow"].requires == ("pandas>=1",)


def test_of_the_supported_images_those_with_a_list_or_a_twin_are_known():
    """Counted by hand in the sources: 124 images are supported on 2026-11-30, 36 have a list, 21 more a twin."""
    catalogue = Catalogue()
    supported = [one.name for one in image_versions().releases.values() if one.ends > "2026-11-30"]
    bases = Counter(catalogue.choose(name).basis for name in supported)
    assert (len(supported), bases[Basis.EXACT], bases[Basis.PAIRED]) == (124, 36, 21)


def test_every_list_has_a_source_and_a_date():
    for record in Catalogue().records():
        assert record.source
        assert record.date or not record.complete
