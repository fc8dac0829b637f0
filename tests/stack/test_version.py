"""The version of a build: by git's newest tag, otherwise that of the sources, which CHANGELOG.md dates."""

import re

import pytest

from stack import build
from stack.console import Failure
from stack.stack import ROOT


@pytest.mark.parametrize(("described", "expected"), [
    ("v0.2.0", "0.2.0"), ("v0.2.0-5-g1a2b3c4", "0.2.0+5"), ("v1.0.0-rc.1", "1.0.0-rc.1"),
    ("v1.0.0-rc.1-12-g1a2b3c4", "1.0.0-rc.1+12"),
])
def test_a_tag_is_the_version(described: str, expected: str):
    assert build.version(described) == expected


def test_a_tag_that_is_no_version_is_refused():
    with pytest.raises(Failure, match="v2 is no version"):
        build.version("v2")


def test_the_sources_have_the_newest_version_of_the_changelog():
    header = (ROOT / "internal/system/CBuildInfo/version.h").read_text()
    [version] = re.findall(r'^#define RELEASED_VERSION "(.+)"$', header, re.M)
    dated = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert dated[0] == version
    assert f"newTag: {version}}}" in (ROOT / "deploy/kubernetes/kustomization.yaml").read_text()
    assert f"paysaga_{version}_amd64.deb" in (ROOT / "docs/deployment.md").read_text()
