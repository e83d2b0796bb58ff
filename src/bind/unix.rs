//! Listens at Unix sockets: takes over a file that nobody answers at, lets in whom it is told to from
//! the first moment on, and removes the file in the end.
//!
//! Changes the process's umask for a moment, so only to be used while there is one thread.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};
use steadfast::config::SocketPermissions;
use steadfast::listener::BACKLOG;
use steadfast::net::{Listener, LocalAddress};

/// How long the turn in a directory is waited for. Whoever has it needs a few calls of the system; and
/// others, who lock directories for reasons of theirs, shall not hold a start up.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks.
const TURN_STEP: Duration = Duration::from_millis(5);

/// Why a Unix socket cannot be listened at.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Somebody else is listening there.
    Answered,
    /// What is there is no socket.
    NoSocket,
    /// It cannot be told whether somebody answers there.
    Unclear(io::Error),
    /// The file cannot be given to the owner that was asked for.
    Owner(io::Error),
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => f.write_str(
                "somebody answers there, likely another Steadfast or a server; stop it or choose \
                 another path (address already in use)",
            ),
            Self::NoSocket => f.write_str(
                "what is there is no socket, so it is left alone; remove it or choose another path",
            ),
            Self::Unclear(error) => write!(
                f,
                "a socket is there, and whether anybody answers cannot be told: {error}; remove it \
                 or choose another path"
            ),
            Self::Owner(error) => write!(
                f,
                "it cannot be given to the --listen-unix-owner: {error}; that takes root, or for a \
                 group to be in it"
            ),
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("its directory does not exist; make it, or choose another path")
            }
            Self::Io(error) => write!(f, "{error}; check the directory, or choose another path"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Listens at `address`. The second value is the file, if it has one.
///
/// # Errors
/// When somebody answers there, or the system refuses.
pub(super) fn listen(
    address: &LocalAddress,
    permissions: &SocketPermissions,
) -> Result<(Listener, Option<SocketFile>), Fault> {
    match address {
        LocalAddress::Path(path) => {
            let _turn = take_turn(path);
            make_room(path)?;
            let (listener, file) = listen_at(path, permissions)?;
            Ok((listener, Some(file)))
        }
        LocalAddress::Abstract(name) => match listen_by_name(name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Fault::Answered),
            result => Ok((result?, None)),
        },
    }
}

fn listen_by_name(name: &str) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The zero in front is what tells a name from a path (unix(7)).
    socket.bind(&SockAddr::unix(format!("\0{name}"))?)?;
    begin(socket)
}

/// From here on clients are let in.
fn begin(socket: Socket) -> io::Result<Listener> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from(socket).into())
}

/// One of us at a time looks for, removes or makes a socket in the directory of `path`: else one could
/// remove as left behind what another has just bound and not yet listens on. A lock that cannot be had
/// is gone without.
fn take_turn(path: &Path) -> Option<File> {
    let directory = File::open(path.parent()?).ok()?;
    let deadline = Instant::now() + TURN_LIMIT;
    loop {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(TURN_STEP),
            Err(_) => return None,
        }
    }
}

/// Removes the socket at `path` that a process has left behind, if there is one.
fn make_room(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => return Err(Fault::NoSocket),
        Ok(_) => {}
    }
    if is_answered(path).map_err(Fault::Unclear)? {
        return Err(Fault::Answered);
    }
    fs::remove_file(path)?;
    tracing::info!(event = "stale_socket_removed", path = %path.display(), "nobody answered there");
    Ok(())
}

/// Whether anybody listens at `path`. Without waiting: one whose queue is full is somebody, too.
fn is_answered(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(true),
            io::ErrorKind::ConnectionRefused => Ok(false),
            _ => Err(error),
        },
    }
}

fn listen_at(
    path: &Path,
    permissions: &SocketPermissions,
) -> Result<(Listener, SocketFile), Fault> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    // The file has its mode from its first moment. To set it afterwards would be to follow a path that
    // may lead elsewhere by then.
    let others = umask(Mode::from_raw_mode(!permissions.mode & 0o777));
    let bound = socket.bind(&address);
    umask(others);
    bound?;
    let file = own(path, permissions);
    if file.is_err() {
        let _ = fs::remove_file(path);
    }
    let file = file?;
    // Whoever connects before is refused.
    Ok((begin(socket)?, file))
}

fn own(path: &Path, permissions: &SocketPermissions) -> Result<SocketFile, Fault> {
    if let Some(owner) = permissions.owner {
        lchown(path, owner.user, owner.group).map_err(Fault::Owner)?;
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    Ok(SocketFile {
        path: path.to_owned(),
        file: file.into(),
    })
}

/// The file of a Unix socket of ours, removed with this if it still is that one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// As long as it is open nothing else has its number.
    file: File,
}

impl SocketFile {
    fn is_there(&self) -> io::Result<bool> {
        let (ours, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _turn = take_turn(&self.path);
        if self.is_there().is_ok_and(|there| there) {
            // The next one of us takes over what cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}
