//! Whatever the README shows is run by a test, or says why it cannot be: each block follows a line
//! `<!-- MARK -->`, by which its test finds it.
//!
//! `block: NAME` is run by a check of `tests/clients`; `needs a cluster: WHY` by nobody; `shown` stands
//! before what nobody could run, a text; any other mark before a block that a test reads by it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::{STEADFAST, page, root, run, sources};

/// A block of the README.
struct Block {
    line: usize,
    /// What the comment before it says; none where there is no comment.
    mark: Option<String>,
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut mark, mut is_open) = (None, false);
    for (index, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), found.last_mut()) {
            (Some(_), _) if is_open => is_open = false,
            (Some(language), _) => {
                found.push(Block {
                    line: index + 1,
                    mark: mark.take(),
                    language: language.to_owned(),
                    text: String::new(),
                });
                is_open = true;
            }
            (None, Some(block)) if is_open => block.text += &format!("{line}\n"),
            (None, _) if line.trim().is_empty() => {}
            (None, _) => mark = comment(line).map(str::to_owned),
        }
    }
    found
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// The text of the only block with this mark.
fn marked(mark: &str) -> String {
    let all = blocks(&page("README.md")).into_iter();
    let mark = comment(mark);
    let mut all = all.filter(|block| block.mark.as_deref() == mark);
    let block = all.next().unwrap_or_else(|| panic!("no block {mark:?}"));
    assert!(all.next().is_none(), "two blocks {mark:?}");
    block.text
}

/// Why a block would stand there untested; none if it is tested.
fn complaint(block: &Block) -> Option<String> {
    let why = match block.mark.as_deref() {
        None => "it has no mark before it".to_owned(),
        Some("shown") if block.language == "text" => return None,
        Some("shown") => "only a ```text is for nothing but to be shown".to_owned(),
        Some(mark) => match mark.split_once(": ") {
            Some(("needs a cluster", _)) => return None,
            Some(("block", name)) if checks_of_clients(name) => return None,
            Some(("block", name)) => format!("no check in tests/clients/run.sh runs {name}"),
            _ if is_read(mark) => return None,
            _ => format!("no test reads what follows {mark:?}"),
        },
    };
    Some(format!("README.md:{}: {why}", block.line))
}

/// Whether a check that `tests/clients/run.sh` runs by default asks for the block `name`.
fn checks_of_clients(name: &str) -> bool {
    let runner = page("tests/clients/run.sh");
    let files = fs::read_dir(root().join("tests/clients")).expect("a folder");
    let mut paths = files.map(|entry| entry.expect("an entry").path());
    paths.any(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let asks = [
            format!("block(\"{name}\")"),
            format!("tests/clients/readme.py {name}"),
        ];
        path.is_file()
            && runner.contains(file.as_ref())
            && asks.iter().any(|it| text_of(&path).contains(it))
    })
}

/// Whether a Rust test names this mark, and so finds the block.
fn is_read(mark: &str) -> bool {
    let whole = format!("\"<!-- {mark} -->\"");
    let files = sources(&root().join("tests"));
    files.iter().any(|path| text_of(path).contains(&whole))
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let all = blocks(&page("README.md"));
    assert!(all.len() >= 10, "the blocks are found");
    let complaints: Vec<_> = all.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The rule itself is able to fail.
#[test]
fn a_block_that_nobody_runs_is_noticed() {
    for (text, refused) in [
        ("```sh\nls\n```", true),
        ("<!-- block: shell -->\n```sh\nls\n```", false),
        ("<!-- block: unheard-of -->\n\n```sh\nls\n```", true),
        ("<!-- block: shell -->\nA word.\n```sh\nls\n```", true),
        ("<!-- of no test -->\n```sh\nls\n```", true),
        ("<!-- shown -->\n```sh\nls\n```", true),
        ("<!-- shown -->\n```text\nls\n```", false),
        ("<!-- needs a cluster: none here -->\n```sh\nls\n```", false),
    ] {
        let block = blocks(text).pop().expect("one block");
        assert_eq!(block.text, "ls\n");
        assert_eq!(complaint(&block).is_some(), refused, "{text}");
    }
}

/// Blocks by indentation have no place for a mark.
#[test]
fn no_block_is_made_by_indentation() {
    let readme = page("README.md");
    let (mut is_open, mut before, mut in_list) = (false, "", false);
    for line in readme.lines() {
        is_open ^= line.trim_start().starts_with("```");
        in_list = match line.chars().next() {
            Some('-') => true,
            Some(' ') | None => in_list,
            Some(_) => false,
        };
        let indented = line.starts_with("    ") && before.is_empty();
        assert!(is_open || in_list || !indented, "by indentation: {line}");
        before = line;
    }
}

#[test]
fn what_is_to_be_tried_first_is_tried() {
    let lines = marked("<!-- try -->");
    let commands: Vec<_> = lines
        .lines()
        .map(|line| line.split('#').next().unwrap_or(line).trim())
        .collect();
    // The first is run by the test of the demo, the second runs this.
    assert_eq!(commands, ["make demo", "make test"]);
}

#[test]
fn the_file_of_settings_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, password) = (folder.path().join("s.toml"), folder.path().join("password"));
    fs::write(&password, "secret\n").expect("a file");
    let text = marked("<!-- file -->");
    let given = text.replace("/run/secrets/valkey", &password.to_string_lossy());
    assert_ne!(text, given, "the file names the password's");
    fs::write(&file, given).expect("a file");
    let shown = settings(&["--config", &file.to_string_lossy()]);
    assert!(shown.contains("hold_timeout = \"20s\""), "{shown}");
}

#[test]
fn several_primaries_can_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, password) = (folder.path().join("s.toml"), folder.path().join("password"));
    fs::write(&password, "secret\n").expect("a file");
    let text = marked("<!-- endpoints -->");
    fs::write(
        &file,
        text.replace("/run/secrets/jobs", &password.to_string_lossy()),
    )
    .expect("a file");
    let shown = settings(&["--config", &file.to_string_lossy()]);
    for name in ["sessions", "jobs"] {
        let table = format!("[[endpoint]]\nname = \"{name}\"");
        assert!(shown.contains(&table), "{shown}");
    }
}

#[test]
fn the_url_can_be_used() {
    let url = marked("<!-- url -->").trim().replace("[:PORT]", ":26380");
    let shown = settings(&["--sentinel", &url]);
    assert!(shown.contains("\"HOST:26380\""), "{shown}");
    assert!(shown.contains("primary_name = \"NAME\""), "{shown}");
}

/// What `config show` makes of these flags.
fn settings(flags: &[&str]) -> String {
    let mut command = std::process::Command::new(PathBuf::from(STEADFAST));
    command
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default());
    let output = run(command.args(flags).args(["config", "show"]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
