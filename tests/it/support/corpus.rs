//! The inputs found by fuzzing, checked by the oracles of the fuzzer. `fuzz/corpus/` has a folder
//! of inputs for each oracle.

use std::path::{Path, PathBuf};
use std::{fs, panic};

#[path = "../../oracles/lib.rs"]
#[allow(unreachable_pub, reason = "the targets of the fuzzer are another crate")]
pub(crate) mod oracles;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Returns the files of a folder, ordered by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_input_is_as_its_oracle_wants_it() {
    for (name, check) in oracles::ORACLES {
        let inputs = files(&root().join("corpus").join(name));
        assert!(inputs.len() > 5, "fuzz/corpus/{name} has only {} inputs", inputs.len());
        for path in inputs {
            let input = fs::read(&path).unwrap();
            if let Err(why) = panic::catch_unwind(|| check(&input)) {
                println!("{}", path.display());
                panic::resume_unwind(why);
            }
        }
    }
}

#[test]
fn every_oracle_has_a_target() {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let oracles: Vec<String> = oracles::ORACLES.iter().map(|(name, _)| (*name).into()).collect();
    for folder in ["fuzz_targets", "corpus"] {
        let found: Vec<String> = files(&root().join(folder)).into_iter().map(stem).collect();
        assert_eq!(found, oracles, "fuzz/{folder}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let targets = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
    let targets: Vec<&str> = targets.filter_map(|rest| rest.strip_suffix(".rs\"")).collect();
    assert_eq!(targets, oracles, "fuzz/Cargo.toml");
}
