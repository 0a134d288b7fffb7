//! The messages in `docs/compiler-errors.md`, and the guide for newcomers, compared with the
//! compiler and the crate.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use socketserver::services::web::Web;
use socketserver::{
    BlockingHandler, Close, Context, DatagramContext, Handler, Server, Service, Stream,
};

use super::tidy::source::document;

struct Block<'a> {
    kind: &'a str,
    text: &'a str,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let inside = document.split("\n```").skip(1).step_by(2);
    inside
        .map(|block| block.split_once('\n').unwrap())
        .map(|(kind, text)| Block { kind, text })
        .collect()
}

/// The crate as it was compiled for this test, and the folder of its dependencies: the newest one
/// that has every feature.
fn library() -> (PathBuf, PathBuf) {
    let folder = env::current_exe().unwrap().parent().unwrap().to_owned();
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "rlib"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("libsocketserver-"))
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    let probe = "fn main() { let _ = socketserver::testkit::WebClient::get; let _ = \
                 socketserver::services::web::Response::json::<u8>; }";
    let is_whole =
        |path: &PathBuf| compile(&(path.clone(), folder.clone()), probe, &[]).status.success();
    let library = found.into_iter().rev().find(is_whole);
    (library.expect("the crate was compiled with every feature"), folder)
}

/// Compiles a program.
fn compile((library, folder): &(PathBuf, PathBuf), program: &str, options: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("program.rs");
    fs::write(&file, program).unwrap();
    let mut extern_crate = std::ffi::OsString::from("socketserver=");
    extern_crate.push(library);
    let emit = if options.is_empty() { &["--emit=metadata"][..] } else { options };
    let out = options.last().filter(|last| Path::new(last).is_absolute());
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    command.args(["--edition", "2024", "--extern"]).arg(extern_crate).arg("-L").arg(folder);
    command.args(emit).arg(&file);
    if out.is_none() {
        command.arg("--out-dir").arg(place.path());
    }
    command.output().unwrap()
}

#[test]
fn the_compiler_says_what_the_document_says() {
    let (text, library) = (document("docs/compiler-errors.md"), library());
    let blocks = blocks(&text);
    let mut count = 0;
    for pair in blocks.windows(2) {
        let [program, message] = pair else { continue };
        if !program.kind.contains("compile_fail") || message.kind != "text" {
            continue;
        }
        let output = compile(&library, program.text, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "this compiles:\n{}", program.text);
        for line in message.text.lines() {
            assert!(said.contains(line), "the compiler does not say {line:?}, but:\n{said}");
        }
        count += 1;
    }
    assert!(count >= 5, "only {count} messages");
}

/// The lines that compile, as the document says.
#[test]
fn lines_that_look_wrong_compile() {
    let program = r#"
        use socketserver::services::web::{Answered, Reply, Request, Web};
        use socketserver::{Close, Context, Handler, Peer, Server, Topic};
        use std::collections::HashMap;

        struct All { topic: Topic, seen: HashMap<Peer, u32> }

        impl Handler for All {
            fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
                *self.seen.entry(cx.peer().clone()).or_default() += 1;
                cx.publish(&self.topic, "text");
                cx.publish(&self.topic, format!("{} bytes", input.len()));
                let number: u32 = std::str::from_utf8(input)?.trim().parse()?;
                let file = std::fs::read("file")?;
                writeln!(cx, "{number} {}", file.len());
                Ok(input.len())
            }
        }

        fn show(request: &Request, reply: Reply) -> Answered {
            reply.status(404).header("x-a", "b").text(format!("no {}", request.path()))
        }

        fn main() -> std::io::Result<()> {
            let address = String::from("127.0.0.1:0");
            Server::bind(("127.0.0.1", 0))?;
            Server::bind(&address)?;
            let route = |_: &Request, reply: Reply| reply.text("x");
            let _web = Web::new().get("/", show).put("/x", route);
            let topic = Topic::new("all");
            Server::bind(address)?
                .serve(move |_| All { topic: topic.clone(), seen: HashMap::new() })
        }"#;
    let output = compile(&library(), program, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_service_of_the_guide_passes_its_tests() {
    let text = document("docs/getting-started.md");
    let programs: Vec<&str> =
        blocks(&text).iter().filter(|it| it.kind == "rust,no_run").map(|it| it.text).collect();
    let [_, service, tests] = programs[..] else { panic!("{} programs", programs.len()) };
    // The logger is not at hand here. Doc tests compile the same program with it.
    let program = [&service.replace("    env_logger::init();\n", ""), tests].concat();
    let place = tempfile::tempdir().unwrap();
    let tally = place.path().join("tally");
    let output = compile(&library(), &program, &["--test", "-o", tally.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(tally).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

struct Silent;

impl Handler for Silent {
    fn on_data(&mut self, input: &mut [u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Ok(input.len())
    }
}

impl BlockingHandler for Silent {
    fn handle(&mut self, _: &mut Stream) -> std::io::Result<()> {
        Ok(())
    }
}

/// The errors of the start that are in the table.
#[test]
fn the_start_says_what_the_document_says() {
    let text = document("docs/compiler-errors.md");
    let datagrams = |_: &[u8], _: &mut DatagramContext<'_>| {};
    let server = |address: &str| Server::bind(address).unwrap();
    let web = |paths: [&str; 2]| {
        let web = paths.iter().fold(Web::new(), |web, path| web.get(path, |_, r| r.empty()));
        web.check().unwrap_err()
    };
    let errors = [
        Server::bind("localhost").unwrap_err(),
        Server::bind("8080").unwrap_err(),
        Server::new().serve(|_| Silent).unwrap_err(),
        server("127.0.0.1:0").run().unwrap_err(),
        server("udp:127.0.0.1:0").serve(|_| Silent).unwrap_err(),
        server("127.0.0.1:0").serve_datagrams(datagrams).unwrap_err(),
        server("127.0.0.1:0").serve_blocking(|_| Silent).unwrap_err(),
        web(["/x", "/x"]),
        web(["/y/{a}", "/y/{b}"]),
        web(["files", "/"]),
        web(["/files/*", "/"]),
        web(["/a{x}b", "/"]),
    ];
    for error in errors {
        let error = error.to_string();
        // The system has chosen the port.
        let (before, after) = match error.split_once("127.0.0.1:") {
            Some((before, rest)) if !before.contains('\'') => {
                (format!("{before}127.0.0.1:7007"), rest.trim_start_matches(char::is_numeric))
            }
            _ => (error.clone(), ""),
        };
        let row = format!("| `{before}{after}` |");
        assert!(text.contains(&row), "docs/compiler-errors.md has no row {row}");
    }
}
