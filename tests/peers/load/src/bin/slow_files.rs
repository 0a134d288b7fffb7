//! A web server whose files come from a slow disk: each read takes 20 ms. Knows no client.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use socketserver::Server;
use socketserver::services::files::Files;
use socketserver::services::web::Web;
use socketserver_peers::{Failed, Options};

const READ_TIME: Duration = Duration::from_millis(20);

#[allow(clippy::disallowed_methods, reason = "the time of the disk")]
fn wait() {
    thread::sleep(READ_TIME);
}

fn main() -> Result<(), Failed> {
    let options = Options::parse()?;
    let files = Files::new(&options.root)?.read_by(|file, space, offset| {
        wait();
        file.read_at(space, offset)
    });
    let web =
        Web::new().get("/plaintext", |_, reply| reply.text("Hello, World!")).files("/files", files);
    let server = Server::new().listen(options.bind.as_str(), web)?;
    let mode = match options.mode.as_str() {
        "multiplex" => "multiplex".into(),
        other => format!("{other}:{}", options.workers),
    };
    let server = server.mode(mode.parse()?).stop_on_signals()?;
    for address in server.addresses() {
        writeln!(io::stdout(), "listening on {address}")?;
    }
    Ok(server.run()?)
}
