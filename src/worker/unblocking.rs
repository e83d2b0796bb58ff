//! While a planned failover is prepared, calls that wait at the old primary are called back: CLIENT
//! UNBLOCK with ERROR makes the server say either that nothing was done, and the call is asked again
//! at the new primary, or what it had just taken. Without this a pop could take something from the
//! old primary at the last moment, and its reply be lost.
//!
//! The errand needs a connection of its own, logged in as the blocked client is, because a blocked
//! link can carry nothing. Where that user may not unblock, the calls are treated as after a crash.

use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::net::{self, Transport};
use crate::resp::{Class, ReplyScanner, class};
use crate::topology::{Gate, Topology};

use super::Worker;
use super::link::Link;
use super::login;
use super::session::{Route, Session};
use super::slot::Kind;

/// Pause before links that were not blocked yet are tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long one round of an errand may take.
const ROUND_LIMIT: Duration = Duration::from_millis(500);
/// Links called back in one round trip.
const ROUND_MAX: usize = 256;
/// Longest reply to a login that is read.
const REPLY_MAX: usize = 64 * 1024;

/// The command a client logged in with, if any.
type Login = Option<Zeroizing<Vec<u8>>>;

/// One connection for each login, or what came of it.
#[derive(Default)]
struct Errands(Vec<(Login, Option<Errand>)>);

impl Errands {
    /// The errand of this login; `None` within where its user may not unblock.
    fn of(&mut self, login: &Login) -> Option<&mut Option<Errand>> {
        let found = self.0.iter_mut().find(|(known, _)| known == login);
        found.map(|(_, errand)| errand)
    }

    fn forget(&mut self, login: &Login) {
        self.0.retain(|(known, _)| known != login);
    }
}

impl Worker {
    /// Calls back what waits for as long as the primary is about to be replaced.
    pub(super) async fn call_back(self: Rc<Self>) {
        let topology = self.topology();
        let mut errands = Errands::default();
        while self.is_quiescing() && self.generation() == topology.generation {
            for (login, links) in self.waiting_links() {
                let round = self.round(&mut errands, &login, &links, &topology);
                let outcome = timeout(ROUND_LIMIT, round).await;
                let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                if let Err(error) = outcome {
                    tracing::debug!(event = "unblock_failed", %error);
                    errands.forget(&login);
                    if error.kind() == io::ErrorKind::PermissionDenied {
                        errands.0.push((login, None));
                    }
                }
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    fn is_quiescing(&self) -> bool {
        self.topology.borrow().gate == Gate::Quiescing
    }

    /// Links on which a call waits that takes something, by the login of their clients.
    fn waiting_links(&self) -> Vec<(Login, Vec<Weak<Link>>)> {
        let mut found: Vec<(Login, Vec<Weak<Link>>)> = Vec::new();
        for session in self.all() {
            let Some(link) = session.waiting_link() else {
                continue;
            };
            let (login, link) = (session.login(), Rc::downgrade(&link));
            match found.iter_mut().find(|(known, _)| *known == login) {
                Some((_, links)) => links.push(link),
                None => found.push((login, vec![link])),
            }
        }
        found
    }

    async fn round(
        &self,
        errands: &mut Errands,
        login: &Login,
        links: &[Weak<Link>],
        topology: &Topology,
    ) -> io::Result<()> {
        if errands.of(login).is_none() {
            let errand = self.set_out(login, topology).await?;
            errands.0.push((login.clone(), Some(errand)));
        }
        // Setting out took its time.
        let still = self.is_quiescing() && self.generation() == topology.generation;
        match errands.of(login) {
            Some(Some(errand)) if still => {
                for part in links.chunks(ROUND_MAX) {
                    errand.unblock(part).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn set_out(&self, login: &Login, topology: &Topology) -> io::Result<Errand> {
        let Some(primary) = &topology.primary else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let limit = self.config.connect_timeout;
        let tls = self.config.tls.upstream.as_ref();
        let mut stream = net::dial(&primary.address, tls, limit).await?;
        if let Some(credentials) = &self.config.login {
            login::log_in(&mut stream, credentials, limit).await?;
        }
        let mut errand = Errand {
            stream,
            input: Vec::new(),
        };
        if let Some(frame) = login {
            errand.stream.write_all(frame).await?;
            permitted(&errand.reply().await?)?;
        }
        Ok(errand)
    }
}

impl Session {
    /// The link, if what is due on it is a call that waits and takes something.
    fn waiting_link(&self) -> Option<Rc<Link>> {
        let Route::Attached(link) = &*self.route.borrow() else {
            return None;
        };
        let router = link.router.borrow();
        let waits = matches!(router.head()?.kind, Kind::Blocking(_));
        let takes = router.front_frame().map(class) == Some(Class::Blocking);
        (waits && takes && link.upstream_id().is_some()).then(|| link.clone())
    }

    fn login(&self) -> Login {
        let state = self.state.borrow();
        state.login().map(|frame| Zeroizing::new(frame.to_vec()))
    }
}

/// A connection that calls back.
struct Errand {
    stream: Transport,
    input: Vec<u8>,
}

impl Errand {
    async fn unblock(&mut self, links: &[Weak<Link>]) -> io::Result<()> {
        let mut request = Vec::new();
        let mut asked = 0;
        for link in links.iter().filter_map(Weak::upgrade) {
            let Some(id) = link.upstream_id() else {
                continue;
            };
            // Before it is sent: the link may hear of it first.
            link.unblocked.set(true);
            let id = id.to_string();
            let words: [&[u8]; 4] = [b"CLIENT", b"UNBLOCK", id.as_bytes(), b"ERROR"];
            request.extend(login::command(words.into_iter()));
            asked += 1;
        }
        self.stream.write_all(&request).await?;
        for _ in 0..asked {
            permitted(&self.reply().await?)?;
        }
        Ok(())
    }

    /// The next reply.
    async fn reply(&mut self) -> io::Result<Vec<u8>> {
        let mut scanner = ReplyScanner::new();
        let mut scanned = 0;
        loop {
            let found = scanner.scan(&self.input[scanned..]);
            let found = found.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if let Some(len) = found {
                let rest = self.input.split_off(scanned + len);
                return Ok(std::mem::replace(&mut self.input, rest));
            }
            scanned = self.input.len();
            if scanned > REPLY_MAX || self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn permitted(reply: &[u8]) -> io::Result<()> {
    match reply.first() {
        Some(b'-') => {
            let words = String::from_utf8_lossy(reply).trim().to_owned();
            Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
        }
        _ => Ok(()),
    }
}
