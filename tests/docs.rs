//! What is written against what is: the README's flags, commands, links and blocks, and the demo.
//!
//! The blocks that need other languages are run by `tests/clients/run.sh`; here it is only checked
//! that each of them is.

#[path = "docs/blocks.rs"]
mod blocks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const STEADFAST: &str = env!("CARGO_BIN_EXE_steadfast");
/// Flags of every command line program, not worth a line in the table.
const UNTOLD: [&str; 2] = ["--help", "--version"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every word of `text` that starts with `--`, without what is attached to it.
fn flags_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .filter(|word| word.len() > 2 && word.starts_with("--"))
        .map(str::to_owned)
        .collect()
}

/// The first column of the table after `<!-- flags -->`.
fn flags_told() -> BTreeSet<String> {
    let readme = page("README.md");
    let (_, after) = readme
        .split_once("<!-- flags -->")
        .expect("a table of flags");
    let table = after
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let rows = table.filter(|row| row.starts_with("| `"));
    rows.flat_map(|row| flags_in(row.split(" | ").next().unwrap_or(row)))
        .collect()
}

/// The flags that `steadfast run --help` explains: those its lines begin with.
fn flags_there() -> BTreeSet<String> {
    let help = run(Command::new(STEADFAST).args(["run", "--help"]));
    let help = String::from_utf8(help.stdout).expect("help is text");
    let lines = help.lines().map(str::trim_start);
    lines
        .filter(|line| line.starts_with('-'))
        .flat_map(|line| flags_in(line.split("  ").next().unwrap_or(line)))
        .filter(|flag| !UNTOLD.contains(&flag.as_str()))
        .collect()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

#[test]
fn the_readme_lists_every_flag_and_no_other() {
    assert_eq!(flags_told(), flags_there());
}

/// The rows of the table after `mark`, each as its cells.
fn table(mark: &str) -> Vec<Vec<String>> {
    let readme = page("README.md");
    let (_, after) = readme.split_once(mark).expect("the table");
    let lines = after.lines().skip(1);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.filter(|row| row.starts_with("| `"))
        .map(cells)
        .collect()
}

/// All files of the program below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| !path.ends_with("simulation"))
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The level and the event of each line that the program may log for everybody to see.
fn events_logged() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for path in sources(&root().join("src")) {
        let text = fs::read_to_string(&path).expect("a source");
        for level in ["info", "warn", "error"] {
            for call in text.split(&format!("tracing::{level}!(")).skip(1) {
                let event = call.trim_start().strip_prefix("event = \"");
                let event = event.and_then(|rest| rest.split('"').next());
                let event = event.unwrap_or_else(|| panic!("{}: no event first", path.display()));
                found.insert((event.to_owned(), level.to_owned()));
            }
        }
    }
    found
}

#[test]
fn the_readme_lists_every_event_and_no_other() {
    let told = table("<!-- events -->").into_iter();
    let told: BTreeSet<_> = told
        .map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].clone()))
        .collect();
    assert!(told.len() > 40, "the table is found: {told:?}");
    assert_eq!(told, events_logged());
}

#[test]
fn every_make_target_named_in_the_pages_exists() {
    let makefile = page("Makefile");
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(target, _)| target)
        .collect();
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = page(name);
        let mut named = text
            .split(['`', '\n'])
            .filter_map(|code| code.trim().strip_prefix("make "));
        let missing = named.find(|target| {
            let word = target.split(' ').next().unwrap_or(target);
            !targets.contains(word)
        });
        assert_eq!(missing, None, "{name} names a target the Makefile lacks");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ] {
        let text = page(name);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            assert!(root().join(link).exists(), "{name} links to {link}");
        }
    }
}

/// Names of the folders below `examples/` that `make examples` tries.
fn examples() -> Vec<String> {
    let entries = fs::read_dir(root().join("examples")).expect("examples");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.join("README.md").is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect()
}

#[test]
fn every_example_has_a_check_and_links_that_lead_somewhere() {
    let names = examples();
    assert!(!names.is_empty(), "the examples are found");
    for name in names {
        let check = format!("tests/examples/check_{}.py", name.replace('-', "_"));
        assert!(root().join(&check).is_file(), "there is no {check}");
        let text = page(&format!("examples/{name}/README.md"));
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = root().join("examples").join(&name).join(link);
            assert!(target.exists(), "examples/{name}/README.md links to {link}");
        }
        assert!(
            page("README.md").contains(&format!("](examples/{name}/README.md)")),
            "the README does not mention examples/{name}"
        );
    }
}

/// A boundary without its tests would be a promise only.
#[test]
fn every_boundary_names_tests_that_exist() {
    let pledge = page("SECURITY.md");
    let (_, table) = pledge
        .split_once("## How each boundary is checked")
        .expect("the table");
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() >= 8, "the rows are found: {rows:?}");
    for row in rows {
        let files: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!files.is_empty(), "nothing checks {row}");
        for file in files {
            assert!(root().join(file).is_file(), "there is no {file}");
            let text = page(file);
            let mut marks = ["#[test]", "#[tokio::test", "fuzz_target!"].iter();
            assert!(
                marks.any(|mark| text.contains(mark)),
                "{file} tests nothing"
            );
        }
    }
}

/// Goal: `make demo` works. Method: run what it runs, on the binary under test.
#[test]
fn the_demo_follows_a_crash_and_a_planned_failover() {
    let told = run(&mut Command::new(demo()));
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for phase in ["steady", "crash", "old primary back", "planned failover"] {
        assert!(told.contains(phase), "{phase} is missing:\n{told}");
    }
    assert!(told.contains("missing on the final primary: "), "{told}");
}

/// The demo, built for the profile under test: `cargo test --test docs` alone does not build it.
fn demo() -> PathBuf {
    let profile = Path::new(STEADFAST)
        .parent()
        .expect("the binary has a folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "failover_demo"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    run(build.current_dir(root()));
    profile.join("examples/failover_demo")
}
