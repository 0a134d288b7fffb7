//! A terminal for programs, with their output, and the screen that a person would see. Knows no
//! program.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::support::output::Program;
use crate::support::waiting::until;

/// A pseudoterminal: `user` is the end of the person.
pub(crate) struct Terminal {
    user: File,
    pub(crate) program: File,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(crate) fn open(columns: u16, rows: u16) -> Terminal {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let user = File::from(user);
        let (mut reader, written) = (user.try_clone().unwrap(), Arc::default());
        let sink: Arc<Mutex<Vec<u8>>> = Arc::clone(&written);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..len]);
            }
        });
        let terminal = Terminal { user, program, written };
        terminal.resize(columns, rows);
        terminal
    }

    pub(crate) fn resize(&self, ws_col: u16, ws_row: u16) {
        tcsetwinsize(&self.user, Winsize { ws_col, ws_row, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// Starts a program on this terminal; its standard error is a pipe.
    pub(crate) fn start(&self, command: &mut Command) -> Program {
        let end = || self.program.try_clone().unwrap();
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(Stdio::piped());
        Program::spawn(command)
    }

    pub(crate) fn typed(&self, text: &str) {
        (&self.user).write_all(text.as_bytes()).unwrap();
    }

    /// The modes, which a program has to restore.
    pub(crate) fn modes(&self) -> String {
        let modes = tcgetattr(&self.program).unwrap();
        format!("{:?} {:?} {:?}", modes.input_modes, modes.output_modes, modes.local_modes)
    }

    /// Waits until this was written.
    pub(crate) fn until_written(&self, text: &str) {
        until(text, || match self.written() {
            written if written.contains(text) => Ok(()),
            written => Err(written),
        });
    }

    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    pub(crate) fn screen(&self, columns: usize) -> Screen {
        Screen::of(&self.written(), columns)
    }

    /// Waits until the last row is this, and the cursor in this column.
    pub(crate) fn until_last_row(&self, columns: usize, row: &str, column: usize) -> Screen {
        until(row, || {
            let screen = self.screen(columns);
            match screen.rows.last().is_some_and(|last| last == row) && screen.column == column {
                true => Ok(screen),
                false => Err(screen),
            }
        })
    }
}

/// The rows since the start, and the column of the cursor, which is in the last one.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) rows: Vec<String>,
    pub(crate) column: usize,
}

impl Screen {
    /// Obeys the sequences that programs of this crate use. All others are an error.
    fn of(written: &str, columns: usize) -> Screen {
        let (mut rows, mut column) = (vec![Vec::<char>::new()], 0);
        let mut chars = written.chars().peekable();
        while let Some(c) = chars.next() {
            let row = rows.last_mut().unwrap();
            match c {
                '\r' => column = 0,
                '\n' => rows.push(Vec::new()),
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['), "{written:?}");
                    let mut count = String::new();
                    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                        count.push(digit);
                    }
                    match chars.next() {
                        Some('K') => row.truncate(column),
                        Some('C') => column += count.parse::<usize>().unwrap(),
                        Some('m') => {}
                        // The sequence has not arrived.
                        None => break,
                        other => panic!("{other:?} in {written:?}"),
                    }
                }
                c => {
                    assert!(!c.is_control(), "{c:?} in {written:?}");
                    if column == columns {
                        rows.push(Vec::new());
                        column = 0;
                    }
                    let row = rows.last_mut().unwrap();
                    row.resize(row.len().max(column + 1), ' ');
                    row[column] = c;
                    column += 1;
                }
            }
        }
        let rows = rows.iter().map(|row| row.iter().collect::<String>()).collect();
        Screen { rows, column }
    }
}
