//! A case: its requests, the answers to them, and a run of it. Must not know the tables.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use http::Method;

use crate::testkit::web_client::WebAnswer;

/// The request after the input of a case. It shows whether the server reads the connection from the
/// right byte on, and ends the connection.
const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

/// The most bytes that are read from a server, for one case.
const RECEIVED_MAX: u64 = 1 << 20;

/// Requests with the answers that a server should give: see the
/// [module](crate::testkit::http_cases) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpCase {
    /// The subject and the input as text. No two cases have the same name.
    pub name: String,
    /// The requests, which a client sends on a new connection.
    pub input: Vec<u8>,
    /// The answers.
    pub expected: Expected,
    /// The section with the rule, such as `RFC 9112, 6.3`.
    pub section: &'static str,
}

/// The answers that are expected in an [`HttpCase`]. Answers such as `100 Continue` do not count.
///
/// ```
/// use socketserver::testkit::http_cases::{Expected, http_cases};
///
/// let mut cases = http_cases().filter(|case| case.section == "RFC 9110, 9.3.6");
/// assert!(cases.all(|case| case.expected == Expected::Closed(vec![501])));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// An answer with each of these statuses. The connection stays open for further requests.
    Open(Vec<u16>),
    /// An answer with each of these statuses. Then the connection is closed, and no further request
    /// is answered: the last one was the client's last, or was refused.
    Closed(Vec<u16>),
}

impl HttpCase {
    /// Returns the bytes to send: the input, and a request that every open connection answers with
    /// 200 before it is closed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [&self.input, PROBE].concat()
    }

    /// Compares `received` with the expected answers. It must be all bytes that the server has sent
    /// after [`bytes`](HttpCase::bytes) until it closed the connection.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`InvalidData`](io::ErrorKind::InvalidData) that names the
    /// difference.
    ///
    /// ```
    /// use socketserver::testkit::http_cases::http_cases;
    ///
    /// let case = http_cases().find(|case| case.section == "RFC 9110, 9.3.6").ok_or("no case")?;
    /// let error = case.judge(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap_err();
    /// assert_eq!(error.to_string(), "expected [501], received [200]");
    /// # Ok::<(), &str>(())
    /// ```
    pub fn judge(&self, received: &[u8]) -> io::Result<()> {
        let mut expected = match &self.expected {
            Expected::Open(statuses) | Expected::Closed(statuses) => statuses.clone(),
        };
        if matches!(self.expected, Expected::Open(_)) {
            expected.push(200);
        }
        let (statuses, rest) = self.statuses(received);
        let said = if statuses != expected {
            format!("expected {expected:?}, received {statuses:?}")
        } else if !rest.is_empty() {
            format!("bytes after the answers: {}", rest.escape_ascii())
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, said))
    }

    /// Returns the statuses of the answers in `received`, and the bytes after the last one.
    fn statuses<'r>(&self, received: &'r [u8]) -> (Vec<u16>, &'r [u8]) {
        // Only the first request of a case may be a HEAD.
        let is_head = self.input.starts_with(b"HEAD ");
        let mut method = if is_head { Method::HEAD } else { Method::GET };
        let (mut statuses, mut rest) = (Vec::new(), received);
        while let Some((answer, after)) = WebAnswer::parse(&method, rest, true) {
            statuses.push(answer.status());
            rest = after;
            method = Method::GET;
        }
        (statuses, rest)
    }

    /// Sends the case to a server on a new connection, and compares the answers. Each connecting,
    /// reading and writing takes at most `wait`, which must not be zero. At most 1 MiB is read.
    ///
    /// # Errors
    ///
    /// Returns the error of [`judge`](HttpCase::judge), or that of the connection: of kind
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) if the
    /// server neither answers nor closes the connection.
    ///
    /// ```
    /// use socketserver::Server;
    /// use socketserver::services::web::Web;
    /// use socketserver::testkit::http_cases::http_cases;
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let web = Web::new().any("/", |_, reply| reply.text("welcome"));
    /// let server = Server::bind("127.0.0.1:0")?;
    /// let address = server.addresses()[0].to_string();
    /// let handle = server.handle();
    /// let thread = std::thread::spawn(|| server.serve(web));
    ///
    /// for case in http_cases().filter(|case| case.section == "RFC 9110, 10.1.1") {
    ///     case.run(&address, Duration::from_secs(10))?;
    /// }
    ///
    /// handle.stop();
    /// thread.join().expect("the server panicked")
    /// # }
    /// ```
    pub fn run(&self, address: impl ToSocketAddrs, wait: Duration) -> io::Result<()> {
        let mut stream = connect(address, wait)?;
        stream.set_read_timeout(Some(wait))?;
        stream.set_write_timeout(Some(wait))?;
        // A server that has refused the first bytes may not read the last ones; its answer counts.
        let _ = stream.write_all(&self.bytes());
        let mut received = Vec::new();
        match stream.take(RECEIVED_MAX).read_to_end(&mut received) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => self.judge(&received),
        }
    }
}

/// Connects to the first of the addresses that accepts.
fn connect(address: impl ToSocketAddrs, wait: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, wait) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
