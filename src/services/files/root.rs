//! The root directory, and opening files below it. Must not know HTTP.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fs::ResolveFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// A directory. Files are opened below it, and nothing else: the kernel enforces it where it can.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
    way: Way,
}

/// The treatment of symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Refused,
    /// Followed as long as they stay below the root.
    Followed,
}

/// The way in which files are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `openat2` with `RESOLVE_BENEATH` (Linux 5.6).
    #[cfg(target_os = "linux")]
    Kernel {
        /// `RESOLVE_CACHED` (Linux 5.12) tells that a name must be read from the disk.
        has_cached: bool,
    },
    /// Segment by segment, by `openat` with `O_NOFOLLOW`: never through a link.
    ByHand,
}

/// The place where a file is opened or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The loop, which must not wait for a disk.
    Loop,
    Worker,
}

/// The reason why a file cannot be opened or read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The disk may have to be read: a worker can do it.
    Cold,
    Missing,
    Denied,
    /// No descriptor or memory is free, or the directories change all the time.
    Busy,
    Failed(io::ErrorKind),
}

/// The kind of the thing to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A file to read, or a directory to list.
    Content,
    /// Its metadata.
    Facts,
}

impl Wanted {
    fn flags(self) -> OFlags {
        // A FIFO must not wait for its writer, nor a terminal become that of the process.
        let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match self {
            Wanted::Content => read,
            #[cfg(target_os = "linux")]
            Wanted::Facts => OFlags::PATH | OFlags::CLOEXEC,
            #[cfg(not(target_os = "linux"))]
            Wanted::Facts => read,
        }
    }
}

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    ///
    /// The system's error, which names the path.
    pub(super) fn open(path: &Path) -> io::Result<Root> {
        let named = |error: io::Error| {
            let text = format!("cannot serve the files of {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        let dir = File::open(path).map_err(named)?;
        if !dir.metadata().map_err(named)?.is_dir() {
            return Err(named(io::ErrorKind::NotADirectory.into()));
        }
        let dir = OwnedFd::from(dir);
        let way = Way::of_system(&dir);
        Ok(Root { dir, way })
    }

    /// Opens a file by its path, which has no `.`, `..` or empty segments; empty for the root.
    ///
    /// # Errors
    ///
    /// [`Refusal::Cold`] if `place` is the loop and the disk may have to be read.
    #[cfg_attr(
        not(target_os = "linux"),
        allow(unused_variables, reason = "only the kernel of Linux follows links")
    )]
    pub(super) fn file(
        &self,
        path: &str,
        wanted: Wanted,
        links: Links,
        place: Place,
    ) -> Result<File, Refusal> {
        match self.way {
            #[cfg(target_os = "linux")]
            Way::Kernel { has_cached } if has_cached || place == Place::Worker => {
                self.by_kernel(path, wanted, links, place)
            }
            _ if place == Place::Loop => Err(Refusal::Cold),
            _ => self.by_hand(path, wanted),
        }
    }

    #[cfg(target_os = "linux")]
    fn by_kernel(
        &self,
        path: &str,
        wanted: Wanted,
        links: Links,
        place: Place,
    ) -> Result<File, Refusal> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if links == Links::Refused {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        if place == Place::Loop {
            resolve |= ResolveFlags::CACHED;
        }
        let path = if path.is_empty() { "." } else { path };
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&self.dir, path, wanted.flags(), Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd.into()),
                Err(Errno::AGAIN) if place == Place::Loop => return Err(Refusal::Cold),
                // A directory was renamed meanwhile, or the call was interrupted.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    fn by_hand(&self, path: &str, wanted: Wanted) -> Result<File, Refusal> {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut dir = None;
        for segment in dirs.split('/').filter(|segment| !segment.is_empty()) {
            let flags = Wanted::Facts.flags() | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            dir = Some(self.step(dir.as_ref(), segment, flags)?);
        }
        let name = if name.is_empty() { "." } else { name };
        let file = self.step(dir.as_ref(), name, wanted.flags() | OFlags::NOFOLLOW)?;
        let file = File::from(file);
        // With `O_PATH` a link itself is opened.
        match file.metadata() {
            Ok(facts) if !facts.is_symlink() => Ok(file),
            _ => Err(Refusal::Missing),
        }
    }

    fn step(&self, dir: Option<&OwnedFd>, name: &str, flags: OFlags) -> Result<OwnedFd, Refusal> {
        loop {
            match rustix::fs::openat(dir.unwrap_or(&self.dir), name, flags, Mode::empty()) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// The most attempts to open a path while its directories are renamed.
#[cfg(target_os = "linux")]
const ATTEMPTS: usize = 16;

impl Way {
    #[cfg(target_os = "linux")]
    fn of_system(dir: &OwnedFd) -> Way {
        let works = |resolve| {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let opened = rustix::fs::openat2(dir, ".", flags, Mode::empty(), resolve);
            matches!(opened, Ok(_) | Err(Errno::AGAIN))
        };
        match works(ResolveFlags::BENEATH) {
            true => Way::Kernel { has_cached: works(ResolveFlags::CACHED) },
            false => Way::ByHand,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn of_system(_: &OwnedFd) -> Way {
        Way::ByHand
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Refusal {
        match error {
            // A path that leaves the root, a link, a name that is too long, a file used as a
            // directory: for the client no file has this name.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG => {
                Refusal::Missing
            }
            // A link, for `O_NOFOLLOW` of FreeBSD and NetBSD.
            Errno::MLINK => Refusal::Missing,
            #[cfg(target_os = "netbsd")]
            Errno::FTYPE => Refusal::Missing,
            // A socket, or a device without driver.
            Errno::INVAL | Errno::NXIO | Errno::NODEV | Errno::OPNOTSUPP | Errno::ILSEQ => {
                Refusal::Missing
            }
            Errno::ACCESS | Errno::PERM => Refusal::Denied,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Refusal::Busy,
            other => Refusal::Failed(io::Error::from(other).kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// A root with a file, a folder with one, and links out of it and within it.
    fn root(way: Way) -> io::Result<(tempfile::TempDir, Root)> {
        let outer = tempfile::tempdir()?;
        let dir = outer.path().join("root");
        fs::create_dir_all(dir.join("sub"))?;
        fs::write(outer.path().join("secret"), "secret")?;
        fs::write(dir.join("a"), "a")?;
        fs::write(dir.join("sub/b"), "b")?;
        symlink("../secret", dir.join("out"))?;
        symlink("sub", dir.join("within"))?;
        symlink("/", dir.join("all"))?;
        let root = Root { way, ..Root::open(&dir)? };
        Ok((outer, root))
    }

    fn read(root: &Root, path: &str, links: Links) -> Result<String, Refusal> {
        let mut text = String::new();
        let mut file = root.file(path, Wanted::Content, links, Place::Worker)?;
        file.read_to_string(&mut text).map_err(|error| Refusal::Failed(error.kind()))?;
        Ok(text)
    }

    #[test]
    fn both_ways_open_the_same_files() -> io::Result<()> {
        let (_outer, kernel) = root(Way::of_system(&File::open(".")?.into()))?;
        let (_other, by_hand) = root(Way::ByHand)?;
        for path in ["a", "sub/b", "out", "within/b", "all/etc/passwd", "no", "a/b", "sub/no"] {
            let expected = match path {
                "a" => Ok("a".to_owned()),
                "sub/b" => Ok("b".to_owned()),
                _ => Err(Refusal::Missing),
            };
            assert_eq!(read(&kernel, path, Links::Refused), expected, "{path}");
            assert_eq!(read(&by_hand, path, Links::Refused), expected, "{path}");
            assert_eq!(read(&by_hand, path, Links::Followed), expected, "{path}");
            let facts = by_hand.file(path, Wanted::Facts, Links::Refused, Place::Worker);
            assert_eq!(facts.is_ok(), expected.is_ok(), "{path}");
        }
        Ok(())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn links_are_followed_below_the_root_only() -> io::Result<()> {
        let (_outer, root) = root(Way::Kernel { has_cached: false })?;
        assert_eq!(read(&root, "within/b", Links::Followed), Ok("b".to_owned()));
        for path in ["out", "all/etc/passwd", "../secret", "/etc/passwd", "sub/../../secret"] {
            assert_eq!(read(&root, path, Links::Followed), Err(Refusal::Missing), "{path}");
        }
        Ok(())
    }

    #[test]
    fn the_loop_never_opens_by_hand() -> io::Result<()> {
        let (_outer, root) = root(Way::ByHand)?;
        let opened = root.file("a", Wanted::Content, Links::Refused, Place::Loop);
        assert_eq!(opened.err(), Some(Refusal::Cold));
        Ok(())
    }
}
