//! Pages of the documentation and their fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file.
#[derive(Debug)]
pub struct Page {
    /// From the repository's root.
    pub name: String,
    text: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page it stands on.
    pub page: String,
    /// The line of its opening fence.
    pub line: usize,
    /// What follows the fence: `console demo`.
    pub language: String,
    /// Its lines, each with its end.
    pub text: String,
}

/// A command and what is shown after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub output: String,
}

/// The README, every page of `docs/`, decisions apart (they show nothing to be run), and the pages of
/// the examples, json-server's apart: it needs a program that is not ours, and has `try.sh`.
pub fn pages() -> Vec<Page> {
    let entries = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| format!("docs/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    names.extend(examples().iter().map(|name| format!("config/examples/{name}/README.md")));
    names.sort();
    names.insert(0, "README.md".into());
    names.iter().map(|name| Page::read(name)).collect()
}

/// The examples whose pages are tested: folders of `config/examples/`.
pub fn examples() -> Vec<String> {
    let entries = fs::read_dir(root().join("config/examples")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "json-server");
    names.sort();
    names
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    pub fn read(name: &str) -> Page {
        let text = fs::read_to_string(root().join(name)).expect(name);
        Page { name: name.into(), text }
    }

    /// Where its links start from.
    pub fn folder(&self) -> PathBuf {
        root().join(&self.name).parent().unwrap().to_owned()
    }

    /// Its text, blocks included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its text outside of blocks.
    pub fn prose(&self) -> String {
        self.text.split("\n```").step_by(2).collect()
    }

    /// Every fenced block.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (at, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open) {
                (Some(language), false) => {
                    let (page, language) = (self.name.clone(), language.trim().to_owned());
                    blocks.push(Block { page, line: at + 1, language, text: String::new() });
                    open = true;
                }
                (Some(_), true) => open = false,
                (None, true) => {
                    let block = blocks.last_mut().unwrap();
                    block.text += line;
                    block.text.push('\n');
                }
                (None, false) => {}
            }
        }
        assert!(!open, "{}: the last block is not closed", self.name);
        blocks
    }

    /// The blocks of one kind.
    pub fn blocks_of(&self, language: &str) -> impl Iterator<Item = Block> {
        let blocks = self.blocks().into_iter();
        blocks.filter(move |block| block.language == language).collect::<Vec<_>>().into_iter()
    }

    /// Relative links, without what follows a `#`.
    pub fn links(&self) -> Vec<String> {
        let after = self.text.match_indices("](").map(|(at, _)| &self.text[at + 2..]);
        let targets = after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        targets
            .filter(|target| !target.contains("://") && !target.starts_with('#'))
            .map(|target| target.split('#').next().unwrap().to_owned())
            .collect()
    }

    /// What stands below a heading, up to the next one.
    pub fn section(&self, heading: &str) -> String {
        let is_heading = |line: &&str| line.starts_with('#');
        let lines = self.text.lines();
        let from = lines.skip_while(|line| line.trim_start_matches('#').trim() != heading);
        let section: Vec<&str> = from.skip(1).take_while(|line| !is_heading(line)).collect();
        assert!(!section.is_empty(), "{} has no section `{heading}`", self.name);
        section.join("\n")
    }

    /// The cells of every table row below a heading.
    pub fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let section = self.section(heading);
        let rows = section.lines().filter(|line| line.starts_with('|'));
        rows.map(cells).filter(|cells| !cells.iter().all(|cell| cell.starts_with("--"))).collect()
    }
}

fn cells(row: &str) -> Vec<String> {
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

impl Block {
    /// Where it stands, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// Its `$` lines. A line that ends in a backslash goes on.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.text.lines() {
            let goes_on = steps
                .last()
                .is_some_and(|step| step.output.is_empty() && step.command.ends_with('\\'));
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.into(), output: String::new() });
                }
                (None, Some(step)) if goes_on => {
                    step.command = format!("{}\n{line}", step.command);
                }
                (None, Some(step)) => {
                    step.output += line;
                    step.output.push('\n');
                }
                (None, None) => panic!("{}: output before any command", self.place()),
            }
        }
        steps
    }

    /// Its commands alone.
    pub fn commands(&self) -> Vec<String> {
        match self.language.starts_with("console") {
            true => self.steps().into_iter().map(|step| step.command).collect(),
            false => Vec::new(),
        }
    }
}

#[test]
fn a_page_is_taken_apart() {
    let text = "# A\n```console x\n$ a \\\n    b\nout\n\nmore\n$ c\n```\n[l](x.md#y) [e](https://e)\n\
                ## T\n| k | v |\n|---|---|\n| `a` | 1 |\n## U\n| z | z |\n";
    let page = Page { name: "x.md".into(), text: text.into() };
    let blocks = page.blocks();
    assert_eq!((blocks.len(), blocks[0].line, blocks[0].language.as_str()), (1, 2, "console x"));
    let step =
        |command: &str, output: &str| Step { command: command.into(), output: output.into() };
    assert_eq!(blocks[0].steps(), [step("a \\\n    b", "out\n\nmore\n"), step("c", "")]);
    assert_eq!(page.links(), ["x.md"]);
    assert_eq!(page.rows("T"), [["k", "v"], ["`a`", "1"]]);
}
