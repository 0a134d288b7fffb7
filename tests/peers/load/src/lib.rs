//! Shared by the programs of this crate: the options of the servers, which are those that
//! tests/faults/common.py gives to a server. Knows no server.

pub mod wire;

use std::error::Error;

/// Any error of a program.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The options of a server.
pub struct Options {
    /// The listen address.
    pub bind: String,
    /// The kind of loop.
    pub mode: String,
    /// The number of threads, if the mode has more than one.
    pub workers: usize,
    /// The directory of files.
    pub root: String,
    /// The URL of an engine that nodes share.
    pub backplane: Option<String>,
}

impl Options {
    /// Parses the arguments of the program.
    ///
    /// # Errors
    ///
    /// An unknown option, or one without its value.
    pub fn parse() -> Result<Options, Failed> {
        let mut options = Options {
            bind: "127.0.0.1:0".into(),
            mode: "multiplex".into(),
            workers: 2,
            root: ".".into(),
            backplane: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
            match name.as_str() {
                "--bind" => options.bind = value,
                "--mode" => options.mode = value,
                "--workers" => options.workers = value.parse()?,
                "--root" => options.root = value,
                "--backplane" => options.backplane = Some(value),
                _ => return Err(format!("no option {name}").into()),
            }
        }
        Ok(options)
    }
}
