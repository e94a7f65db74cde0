"""Servers on loopback that a case asks for: pages of the web, and a git repository. See README.md."""
import contextlib

import case as cases
from gitserver import GitWeb, Repository
from web import Page, Web

PAGE_KEYS = {"path", "text", "bytes", "size", "tar", "modified", "status", "headers", "etag"}
COMMIT_KEYS = {"files", "branch", "tag"}


class Servers:
    """What the build gets to know: each address as the build argument of its name."""

    def __init__(self):
        self.addresses = {}

    def flags(self):
        return [word for name, url in self.addresses.items() for word in ("--build-arg", f"{name}={url}")]

    def hide(self, text):
        """Ports differ each time: addresses are written as the arguments that they came by."""
        for name, url in self.addresses.items():
            text = text and text.replace(url, "$" + name)
        return text


@contextlib.contextmanager
def serving(case, scratch):
    servers = Servers()
    with contextlib.ExitStack() as stack:
        if "pages" in case.settings:
            web = Web({entry["path"]: page(entry) for entry in case.settings["pages"]})
            stack.callback(web.stop)
            servers.addresses["WEB"] = web.url
        if "commits" in case.settings:
            make_repository(case.settings["commits"], scratch / "git")
            git = GitWeb(scratch / "git")
            stack.callback(git.stop)
            servers.addresses["GIT"] = git.url
        yield servers


def page(entry):
    check(entry, PAGE_KEYS)
    body = cases.archive(entry["tar"], entry["path"]) if "tar" in entry else cases.content(entry)
    return Page(body, status=entry.get("status", 200), headers=entry.get("headers"), etag=entry.get("etag"),
                modified=entry.get("modified", cases.TIME))


def make_repository(commits, folder):
    """app.git: commits with a date of their own, so that their names are the same everywhere."""
    folder.mkdir()
    repository = Repository(folder, "app")
    for commit in commits:
        check(commit, COMMIT_KEYS)
        repository.commit(commit.get("files", {}), ref=commit.get("branch", "main"))
        if "tag" in commit:
            repository.tag(commit["tag"])


def check(entry, known):
    unknown = set(entry) - known
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))} of {entry}")
