//! The required descriptions, and the equal parts of two documents.

use super::source::{complaint, document, enforce, sources};

/// Examples that `described`, the text of `examples/README.md`, does not name.
fn undescribed(described: &str, examples: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in examples {
        let name = path.strip_prefix("examples/").unwrap();
        let name = name.strip_suffix("/main.rs").or(name.strip_suffix(".rs")).unwrap();
        // Files of a folder belong to its `main.rs`, or to several examples.
        if !name.contains('/') && !described.contains(&format!("`{name}`")) {
            found.push(complaint(path, 1, format!("describe `{name}` in examples/README.md")));
        }
    }
    found
}

/// The complaint if `.ci/run` does not run the one test command of the README.
fn other_command(readme: &str, run: &str) -> Option<String> {
    let tests: Vec<&str> = readme.lines().filter(|line| line.starts_with("cargo test")).collect();
    let [command] = tests[..] else {
        return Some(format!("README.md must have one test command, and has {tests:?}"));
    };
    let same = format!("RUSTFLAGS=\"-D warnings\" {command}");
    let is_run = run.lines().any(|line| line.trim() == same);
    (!is_run).then(|| format!(".ci/run must run `{command}`, as README.md says"))
}

#[test]
fn every_example_is_described() {
    let examples = sources("examples");
    let examples: Vec<&str> = examples.iter().map(|file| &*file.path).collect();
    enforce(&undescribed(&document("examples/README.md"), &examples));
}

#[test]
fn the_command_of_the_readme_is_the_one_that_is_run() {
    assert_eq!(other_command(&document("README.md"), &document(".ci/run")), None);
}

#[test]
fn an_example_without_a_description_is_found() {
    let examples = ["examples/echo.rs", "examples/ping/main.rs", "examples/ping/icmp.rs"];
    assert_eq!(undescribed("`echo` and `ping`", &examples), [""; 0]);
    let found = undescribed("`echo` and ping", &examples);
    assert_eq!(found, ["examples/ping/main.rs:1: describe `ping` in examples/README.md"]);
}

#[test]
fn a_command_that_is_not_run_is_found() {
    let run = "RUSTFLAGS=\"-D warnings\" cargo test --all-features\n";
    assert_eq!(other_command("cargo test --all-features\n", run), None);
    let found = other_command("cargo test\n", run).unwrap();
    assert_eq!(found, ".ci/run must run `cargo test`, as README.md says");
    assert!(other_command("", run).unwrap().contains("has []"));
}
