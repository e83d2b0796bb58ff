//! All clients of a story, and its end: everybody gets an answer, and whoever listens hears the last
//! message.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout_at};

use super::chance::Chance;
use super::client::{Client, Ending, Subscriber};
use super::cluster::Cluster;
use super::ledger::Ledger;
use super::proxy::Entrance;
use super::words::bulks;
use crate::net::HostPort;

/// When clients stop sending.
const TALK: Duration = Duration::from_millis(7_500);
/// The last message; its number is nobody's.
const LAST: &str = "@999999999";
/// How often it is published, until it is heard.
const AGAIN: Duration = Duration::from_millis(500);

/// All clients.
pub(super) struct Crowd {
    talkers: Vec<JoinHandle<()>>,
    subscriber: JoinHandle<()>,
    entrance: Entrance,
    stop: Instant,
}

impl Crowd {
    pub(super) fn start(
        ledger: &Rc<Ledger>,
        entrance: &Entrance,
        hold: Duration,
        chance: &mut Chance,
    ) -> Self {
        let stop = Instant::now() + TALK;
        let count = 3 + chance.index(5);
        let mut talkers = Vec::new();
        for number in 0..count {
            let ending = match chance.within(0, 4) {
                0 => Ending::Leaves(chance.within(1, 60)),
                1 => Ending::HalfCloses,
                _ => Ending::Stays,
            };
            let later = chance.millis(0, 1_500);
            let (entrance, ledger) = (entrance.clone(), ledger.clone());
            talkers.push(spawn_local(async move {
                sleep(later).await;
                let stream = entrance.enter(number).await;
                let client = Client::new(number, &ledger, stream);
                client.talk(stop, ending).await;
            }));
        }
        let (way_in, ledger) = (entrance.clone(), ledger.clone());
        let subscriber = spawn_local(async move {
            let stream = way_in.enter(count).await;
            let subscriber = Subscriber {
                number: count,
                ledger,
                stream,
                hold,
            };
            subscriber.listen(LAST).await;
        });
        Self {
            talkers,
            subscriber,
            entrance: entrance.clone(),
            stop,
        }
    }

    /// Waits for all answers, for so long at most.
    pub(super) async fn finish(mut self, cluster: &Cluster, patience: Duration) {
        let ledger = &cluster.ledger;
        let deadline = self.stop.max(Instant::now()) + patience;
        for talker in self.talkers.drain(..) {
            // Whose answer is missing, the oracle says.
            let _ = timeout_at(deadline, talker).await;
        }
        let real = HostPort::from(cluster.primary().address);
        while Instant::now() < deadline
            && (ledger.outage().is_some() || ledger.primary().as_ref() != Some(&real))
        {
            sleep(Duration::from_millis(50)).await;
        }
        let mut stream = self.entrance.enter(0).await;
        while Instant::now() < deadline && !self.subscriber.is_finished() {
            if stream
                .write_all(&bulks(&["PUBLISH", "news", LAST]))
                .await
                .is_err()
            {
                return ledger.complain("the last client was closed".to_owned());
            }
            sleep(AGAIN).await;
        }
        if !self.subscriber.is_finished() {
            ledger.complain("the subscriber does not hear the last message".to_owned());
        }
    }
}
