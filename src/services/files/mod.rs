//! Static files for the web service.
//!
//! ```
//! use socketserver::services::files::Files;
//! use socketserver::services::web::Web;
//! use socketserver::testkit::WebClient;
//!
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("hello.txt"), "hello\n")?;
//!
//! let web = Web::new()
//!     .get("/", |_, reply| reply.html("<a href='/files/hello.txt'>a file</a>"))
//!     .files("/files", Files::new(dir.path())?);
//!
//! let answer = WebClient::new(web).get("/files/hello.txt");
//! assert_eq!(answer.text(), "hello\n");
//! assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What is served
//!
//! Regular files below the root, and nothing else. On Linux the kernel enforces this, by `openat2`
//! with `RESOLVE_BENEATH`; elsewhere paths are opened segment by segment, never through a link.
//! Symbolic links, devices, FIFOs and sockets get 404, and so do names that begin with a dot,
//! except `.well-known`. A file that the server may not read gets 403. Names that are not UTF-8
//! cannot be asked for. A file that is being sent takes a descriptor; without a free one the answer
//! is 503.
//!
//! # Conditions, ranges, codings
//!
//! Each answer has a strong `ETag`, made of size, time of modification and inode, and
//! `Last-Modified`. `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` are
//! evaluated in the order of RFC 9110, section 13.2.2, then `If-Range` and `Range`. Several ranges
//! are sent as `multipart/byteranges`. Ranges that overlap or are less than 128 bytes apart are
//! joined; a request for more than 16 ranges, or for ranges that cost more than the file, gets the
//! whole file.
//!
//! If the client accepts it and the type of the file is worth it, a precompressed neighbour
//! (`page.html.br`, `page.html.gz`) is sent in place of `page.html`, with an `ETag` of its own. Its
//! ranges are those of the compressed bytes. A neighbour older than its file is ignored.
//!
//! # Memory and disks
//!
//! Files of up to 64 KiB are kept in a cache, which notices changes: each request opens the file
//! and compares size, times and inode. Larger ones are sent in parts of 1 MiB, no faster than the
//! client reads, by `sendfile` on Linux if the page cache of the system has the part. Otherwise a
//! [worker](crate::Context::offload) reads 64 KiB, so that a slow disk delays no other connection.
//! A file that becomes shorter while it is sent ends its connection by a reset.

mod answer;
mod ask;
mod body;
mod cache;
mod conditions;
mod facts;
mod listing;
mod path;
mod ranges;
mod reader;
mod root;
mod rules;
mod types;
mod warmth;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use self::ask::{Ask, AskMethod};
use self::cache::Cache;
use self::path::Hidden;
use self::reader::Reader;
use self::root::{Links, Place, Refusal, Root};
use self::rules::{Directories, Neighbours, Rules, Slash};
use super::web::{Answered, Failure, HeaderValue, Reply, Request, Web, header};

/// The files of a directory, as routes of a [`Web`] service: see [the module](self).
///
/// ```
/// use socketserver::services::files::Files;
/// use socketserver::services::web::{HeaderValue, Web};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let files = Files::new(dir)?
///     .cache_control(HeaderValue::from_static("public, max-age=3600"))
///     .list_directories();
/// let web = Web::new().files("/assets", files);
/// # use socketserver::Service;
/// # web.check()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Files {
    root: Root,
    rules: Rules,
    cache_control: Option<HeaderValue>,
    cache: Cache,
    reader: Reader,
}

/// The memory for small files.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

impl Files {
    /// Opens a directory, whose files will be served. It stays the same directory if it is renamed.
    ///
    /// # Errors
    ///
    /// The system's error, which names the path, if it is not a directory or cannot be opened.
    pub fn new(dir: impl AsRef<Path>) -> io::Result<Files> {
        Ok(Files {
            root: Root::open(dir.as_ref())?,
            rules: Rules::DEFAULT,
            cache_control: None,
            cache: Cache::new(CACHE_BYTES),
            reader: Reader::default(),
        })
    }

    /// Sets the `Cache-Control` of files; without this call they have none. [`Files`] has an
    /// example.
    #[must_use]
    pub fn cache_control(mut self, value: HeaderValue) -> Files {
        self.cache_control = Some(value);
        self
    }

    /// Sets the memory for small files in bytes, 16 MiB by default. With 0 each request reads its
    /// file.
    ///
    /// ```
    /// # use socketserver::services::files::Files;
    /// let files = Files::new(".")?.cache_bytes(1024 * 1024);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Files {
        self.cache = Cache::new(bytes);
        self
    }

    /// Lists directories without an `index.html`: as a page, or as JSON for clients whose `Accept`
    /// has `application/json` and not `text/html`. At most 10,000 entries are listed.
    ///
    /// ```
    /// use socketserver::services::files::Files;
    /// use socketserver::services::web::{Method, Web};
    /// use socketserver::testkit::WebClient;
    ///
    /// let dir = tempfile::tempdir()?;
    /// std::fs::write(dir.path().join("a&b.txt"), "")?;
    /// let web = Web::new().files("/", Files::new(dir.path())?.list_directories());
    /// let mut client = WebClient::new(web);
    /// assert!(client.get("/").text().contains("<a href=\"./a%26b.txt\">a&amp;b.txt</a>"));
    /// let answer = client.request(Method::GET, "/").header("accept", "application/json").send();
    /// assert!(answer.text().contains("{\"name\":\"a&b.txt\",\"type\":\"file\",\"size\":0,"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn list_directories(mut self) -> Files {
        self.rules.directories = Directories::Listed;
        self
    }

    /// Follows symbolic links whose target is below the root. Has an effect on Linux 5.6 and newer
    /// only; elsewhere links get 404.
    ///
    /// ```
    /// # use socketserver::services::files::Files;
    /// let files = Files::new(".")?.follow_links();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn follow_links(mut self) -> Files {
        self.rules.links = Links::Followed;
        self
    }

    /// Serves names that begin with a dot as well, such as `.git` and `.env`.
    ///
    /// ```
    /// # use socketserver::services::files::Files;
    /// let files = Files::new(".")?.serve_hidden();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn serve_hidden(mut self) -> Files {
        self.rules.hidden = Hidden::Served;
        self
    }

    /// Answers a request for a directory without a slash at the end as one with it. By default it
    /// is redirected, because relative links of the page need the slash.
    ///
    /// ```
    /// # use socketserver::services::files::Files;
    /// let files = Files::new(".")?.without_slash_redirect();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn without_slash_redirect(mut self) -> Files {
        self.rules.slash = Slash::AsItIs;
        self
    }

    /// Does not look for precompressed neighbours.
    ///
    /// ```
    /// # use socketserver::services::files::Files;
    /// let files = Files::new(".")?.without_precompressed();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn without_precompressed(mut self) -> Files {
        self.rules.neighbours = Neighbours::Ignored;
        self
    }

    /// Reads files by `read`, which gets the open file, the space to fill and the offset, and
    /// returns the number of bytes read. It is called by a worker for each read: for tests of slow
    /// and failing disks.
    ///
    /// ```
    /// use socketserver::services::files::Files;
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::WebClient;
    /// use std::io;
    ///
    /// let dir = tempfile::tempdir()?;
    /// std::fs::write(dir.path().join("a.txt"), "a")?;
    /// let files = Files::new(dir.path())?.read_by(|_, _, _| Err(io::ErrorKind::Other.into()));
    /// assert_eq!(WebClient::new(Web::new().files("/", files)).get("/a.txt").status(), 500);
    /// # Ok::<(), io::Error>(())
    /// ```
    #[cfg(feature = "testkit")]
    #[must_use]
    pub fn read_by<F>(mut self, read: F) -> Files
    where
        F: Fn(&std::fs::File, &mut [u8], u64) -> io::Result<usize> + Send + Sync + 'static,
    {
        self.reader.double = Some(Arc::new(read));
        self
    }

    /// Returns the files as a route. The parameter `path` of the route's pattern is the path below
    /// the root; without it the route is that of the root directory.
    ///
    /// ```
    /// use socketserver::services::files::Files;
    /// use socketserver::services::web::Web;
    ///
    /// let web = Web::new().get("/files/{*path}", Files::new(".")?.route());
    /// # use socketserver::Service;
    /// # web.check()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn route<S>(
        self,
    ) -> impl Fn(&Request<'_, S>, Reply<'_>) -> Answered + Clone + Send + Sync + 'static {
        let files = Arc::new(self);
        move |request: &Request<'_, S>, reply: Reply<'_>| files.serve(request, reply)
    }

    fn serve<S>(self: &Arc<Files>, request: &Request<'_, S>, reply: Reply<'_>) -> Answered {
        let Some(method) = AskMethod::of(request) else {
            let reply = reply.status(405).header(header::ALLOW, "GET, HEAD");
            return reply.text("405 Method Not Allowed\n");
        };
        let now = reply.unix_seconds();
        let Some(ask) = Ask::new(request, method, self.rules.hidden, now) else {
            return Err(Refusal::Missing.into());
        };
        match self.answer(&ask, Place::Loop) {
            Ok(response) => reply.send(response),
            Err(Refusal::Cold) => {
                let files = Arc::clone(self);
                reply.offload(move || Ok(files.answer(&ask, Place::Worker)?))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Missing => Failure::new(404, "no such file"),
            Refusal::Denied => Failure::new(403, "the server may not read this file"),
            Refusal::Busy => Failure::new(503, "no file can be opened at the moment"),
            Refusal::Failed(kind) => Failure::new(500, format!("the file cannot be read: {kind}")),
            // A worker is not refused so.
            Refusal::Cold => Failure::new(500, "the file cannot be read by the loop"),
        }
    }
}

impl<S: Send + Sync + 'static> Web<S> {
    /// Adds routes for the files of a directory, for `GET` and `HEAD`: of `prefix/`, and of all
    /// paths below it. [`Files`] has an example.
    #[must_use]
    pub fn files(self, prefix: &str, files: Files) -> Web<S> {
        let prefix = prefix.trim_end_matches('/');
        let route = files.route();
        let web = match prefix {
            "" => self,
            prefix => self.get(prefix, route.clone()),
        };
        web.get(&format!("{prefix}/"), route.clone()).get(&format!("{prefix}/{{*path}}"), route)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("root", &self.root)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
