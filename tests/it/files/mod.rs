//! Static files.

pub(crate) mod bodies;
pub(crate) mod codings;
pub(crate) mod conditions;
pub(crate) mod directories;
pub(crate) mod paths;
pub(crate) mod ranges;
pub(crate) mod tools;

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use socketserver::services::files::Files;
use socketserver::services::web::{Method, Web};
use socketserver::testkit::{WebAnswer, WebClient};
use tempfile::TempDir;

/// The second of the modification of the files in tests, before the clock of `WebClient`.
pub(crate) const MODIFIED: u64 = 784_000_000;
pub(crate) const LAST_MODIFIED: &str = "Sat, 05 Nov 1994 01:46:40 GMT";
pub(crate) const BEFORE: &str = "Sat, 05 Nov 1994 01:46:39 GMT";
pub(crate) const AFTER: &str = "Sat, 05 Nov 1994 01:46:41 GMT";

/// Writes a file that was modified at a known time.
pub(crate) fn put(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    date(&path, MODIFIED);
}

/// Sets the time of the modification of a file.
pub(crate) fn date(path: &Path, seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A directory with these files.
pub(crate) fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        put(dir.path(), name, content);
    }
    dir
}

/// A client of the files in `dir`, below `/f`.
pub(crate) fn client(dir: &Path) -> WebClient {
    client_of(Files::new(dir).unwrap())
}

pub(crate) fn client_of(files: Files) -> WebClient {
    WebClient::new(Web::new().files("/f", files))
}

/// Asks with these fields.
pub(crate) fn ask(
    client: &mut WebClient,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
) -> WebAnswer {
    let mut request = client.request(method, path);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send()
}
