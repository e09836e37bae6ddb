"""Holds the pages against what they speak of: a link leads somewhere, and what a page names, a path, a function, a flag,
a key, a variable, a goal of make, is there. What a command does is tests/scenario/test_guide.py's."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "docs" / "profiling.md", ROOT / "deploy" / "README.md"]
FOLDERS = ("bench", "cmake", "configs", "deploy", "docs", "src", "tests", "tools")

FENCED = r"(?ms)^```\w*\n(.*?)^```$"
PATH = r"(?<![\w./<$-])[\w./<>-]+\.(?:c|h|py|js|md|png|cmake|yaml|sh|service|alloy)\b(?![/.]\w)"
# In `<api>.c` the reader fills in a name.
BLANK = r"<\w+>"
COMMAND = r"(?m)(?:^|[ /])%s((?: +[^\s#|`]+)*)"


def read(pattern):
    return "\n".join(path.read_text() for path in sorted(ROOT.glob(pattern)))


def spans(page):
    """What stands between backticks in its prose."""
    return "\n".join(re.findall(r"`([^`]+)`", re.sub(FENCED, "", page)))


def code(page):
    """All that is no prose: spans, blocks between fences, indented lines."""
    return "\n".join([spans(page), *re.findall(FENCED, page), *re.findall(r"(?m)^    (.+)$", page)])


def anchors(page):
    """Of its headings, as readers of Markdown make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(FENCED, "", page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Docs(unittest.TestCase):
    def assert_all(self, found, is_there, least=1):
        """Of what is found in the pages; and enough is, so that the test has something to say."""
        named = {(page.name, name) for page in PAGES for name in found(page.read_text())}
        self.assertGreaterEqual(len(named), least)
        self.assertEqual(sorted(name for name in named if not is_there(name[1])), [])

    def test_links_lead_to_a_page_and_its_heading(self):
        broken = []
        for page in PAGES:
            for link in re.findall(r"\]\((?!\w+://)([^)\s]+)\)", page.read_text()):
                path, _, anchor = link.partition("#")
                target = page.parent / path if path else page
                if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                    broken.append(f"{page.name}: {link}")
        self.assertEqual(broken, [])

    def test_what_is_installed_links_to_nothing_else(self):
        rules = re.findall(r"install\((?:FILES|DIRECTORY) (.*) DESTINATION \S+DOCDIR", read("CMakeLists.txt"))
        installed = {ROOT / name for rule in rules for name in rule.split()}
        self.assertIn(ROOT / "README.md", installed)
        for page in (page for page in PAGES if {page, page.parent} & installed):
            for link in re.findall(r"\]\((?!\w+://)([^)#\s]+)", page.read_text()):
                target = (page.parent / link).resolve()
                self.assertTrue({target, *target.parents} & installed, f"{page.name}: {link}")

    def test_paths_exist(self):
        files = [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
        files += [path.relative_to(ROOT) for path in ROOT.glob("*")]
        # By its whole path, from src/ on, or by its name.
        known = {"/".join(file.parts[i:]) for file in files for i in {0, file.parts[0] == "src", len(file.parts) - 1}}

        def is_there(path):
            pattern = re.compile(re.sub(BLANK, r"\\w+", path.removeprefix("./").replace(".", r"\.")))
            return any(map(pattern.fullmatch, known))

        self.assert_all(lambda page: re.findall(PATH, code(page)), is_there, 100)

    def test_names_of_the_sources_exist(self):
        words = set(re.findall(r"\w+", "\n".join(read(f"{folder}/**/*.{ending}") for folder in FOLDERS
                                                 for ending in ("[ch]", "py", "txt"))))
        words |= {f"{path.parent.name}_{path.stem}" for path in ROOT.glob("tests/*/test_*.c")}  # the programs
        words |= {path.stem for path in ROOT.glob("tests/**/test_*.py")}
        words |= {path.stem.removeprefix("bench_") for path in ROOT.glob("bench/bench_*")}  # as tools/bench takes them
        self.assert_all(lambda page: re.findall(r"(?<![\w<])[a-z]+_\w*[a-z](?![\w<])", re.sub(PATH, "", spans(page))),
                        words.__contains__, 40)

    def test_keys_and_their_variables_exist(self):
        keys = set(re.findall(r'\{"(\w+\.\w+)"', (ROOT / "src/config/keys.c").read_text()))
        sections = "|".join({key.split(".")[0] for key in keys})
        variables = {f"TAKHIN_{key.replace('.', '_').upper()}" for key in keys} | {"TAKHIN_BUILD_DIR"}
        self.assert_all(lambda page: re.findall(rf"(?<![\w./])(?:{sections})\.(?![ch]\b|py\b)\w+", code(page)),
                        keys.__contains__, 10)
        self.assert_all(lambda page: re.findall(r"TAKHIN_\w+", code(page)), variables.__contains__, 5)

    def test_flags_exist(self):
        of = {program: set(re.findall(r'(?m)^    \{+"(\w[\w-]*)",', read(source)))
              for program, source in (("takhin-profiler", "src/cmd/profiler/command.c"),
                                      ("takhin", "src/cmd/takhin_options.c"))}
        for program, flags in of.items():
            self.assert_all(lambda page: [flag for words in re.findall(COMMAND % program, code(page))
                                          for flag in re.findall(r"(?<!\S)-([a-z][\w-]*)", words)],
                            flags.__contains__, 3)
        self.assert_all(lambda page: re.findall(r"(?m)^-([a-z][\w-]*)", spans(page)),
                        set.union(*of.values()).__contains__, 20)

    def test_goals_of_make_exist(self):
        goals = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
        self.assert_all(lambda page: re.findall(r"(?m)(?:^| )make ([a-z-]+)", code(page)), goals.__contains__, 5)


if __name__ == "__main__":
    unittest.main()
