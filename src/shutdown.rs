//! The end of the process: the signals that ask for it, and how far it has come.
//!
//! ```text
//!   Serving --SIGTERM--> (draining, for the delay) --> Draining ---> all clients gone
//!      |                            |                      |
//!      +--SIGINT--> Finishing       +----- a second one, or SIGQUIT ----> Over
//! ```
//!
//! Closes nothing itself: the acceptors and the workers follow the [`Stage`], each for its part.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Orders nobody has followed yet; the second one ends the process, so more say nothing.
const ORDERS_MAX: usize = 4;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To stop.
    Stop(Order),
    /// To read files again (SIGHUP).
    Reload,
}

/// To stop, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each client is let go when nothing is lost by it (SIGTERM).
    Drain,
    /// What is in flight is finished, for a short time (SIGINT).
    Finish,
    /// At once (SIGQUIT).
    Quit,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drain => "SIGTERM",
            Self::Finish => "SIGINT",
            Self::Quit => "SIGQUIT",
        })
    }
}

/// How far the process is on its way to its end; each stage comes after those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Clients come and go.
    Serving,
    /// No client comes in any more; each is let go when nothing is lost by it.
    Draining,
    /// As Draining, but only what is in flight is waited for.
    Finishing,
    /// Everything ends now.
    Over,
}

/// What every part of the process knows of its end; one for the process.
#[derive(Debug)]
pub struct Lifecycle {
    draining: AtomicBool,
    stage: watch::Sender<Stage>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            draining: AtomicBool::new(false),
            stage: watch::Sender::new(Stage::Serving),
        }
    }
}

impl Lifecycle {
    /// Says, for good, that the process was asked to stop.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process was asked to stop: from then on nobody should send it new clients, although
    /// it may still take them in for a while.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Where the stage can be followed.
    pub fn stages(&self) -> Stages {
        Stages(self.stage.subscribe())
    }

    /// Goes on to `stage`, if the process is not further already.
    pub fn advance(&self, stage: Stage) {
        self.set_draining();
        self.stage.send_if_modified(|now| {
            let further = stage > *now;
            *now = stage.max(*now);
            further
        });
    }

    /// Completes when the first order has come and, if it was to drain, `delay` has passed since, during
    /// which clients still come in; `told` hears of that order at once.
    pub async fn begin(&self, orders: &mut Orders, delay: Duration, told: impl FnOnce(Order)) {
        let order = orders.next().await;
        self.set_draining();
        told(order);
        let stage = match order {
            Order::Drain => tokio::select! {
                biased;
                _ = orders.next() => Stage::Over,
                () = tokio::time::sleep(delay) => Stage::Draining,
            },
            Order::Finish => Stage::Finishing,
            Order::Quit => Stage::Over,
        };
        self.advance(stage);
    }
}

/// One follower's view of the stage.
#[derive(Debug, Clone)]
pub struct Stages(watch::Receiver<Stage>);

impl Stages {
    /// The stage of this moment. A process whose [`Lifecycle`] is gone is over.
    pub fn now(&self) -> Stage {
        match self.0.has_changed() {
            Ok(_) => *self.0.borrow(),
            Err(_) => Stage::Over,
        }
    }

    /// Completes once the stage is beyond `stage`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn beyond(&mut self, stage: Stage) {
        // An error says that nothing more will come: so does what it stands for.
        let _ = self.0.wait_for(|now| *now > stage).await;
    }
}

/// A pair of which the first half gives the orders that the second hears.
#[must_use]
pub fn channel() -> (Commander, Orders) {
    let (sender, receiver) = mpsc::channel(ORDERS_MAX);
    let commander = Commander {
        orders: sender,
        asked: AtomicBool::new(false),
        told: AtomicBool::new(false),
    };
    (commander, Orders(receiver))
}

/// Gives orders.
#[derive(Debug)]
pub struct Commander {
    orders: mpsc::Sender<Order>,
    /// To drain was asked for before any order.
    asked: AtomicBool,
    /// An order was given.
    told: AtomicBool,
}

impl Commander {
    /// Gives one; where too many wait to be followed already, one more changes nothing. To drain, where
    /// that was asked for before, is no second order: it comes from whoever asks and then stops the
    /// process as usual, as Kubernetes does after a hook.
    pub fn give(&self, order: Order) {
        let is_first = !self.told.swap(true, Ordering::Relaxed);
        let is_known = order == Order::Drain && self.asked.load(Ordering::Relaxed);
        if !(is_first && is_known) {
            let _ = self.orders.try_send(order);
        }
    }

    /// Asks to drain, which is an order unless one was given, or this was asked, before.
    pub fn ask_to_drain(&self) {
        if !self.told.load(Ordering::Relaxed) && !self.asked.swap(true, Ordering::Relaxed) {
            let _ = self.orders.try_send(Order::Drain);
        }
    }
}

/// Where orders are heard.
#[derive(Debug)]
pub struct Orders(mpsc::Receiver<Order>);

impl Orders {
    /// The next one; never, when nobody can give one any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn next(&mut self) -> Order {
        match self.0.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}

/// The handlers of SIGTERM, SIGINT, SIGQUIT and SIGHUP; from their installation on none of them ends the
/// process by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

impl Signals {
    /// Installs the handlers. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Completes at the next of them, and says what it asks for; several of one kind may count as one.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn requested(&mut self) -> Request {
        tokio::select! {
            _ = self.quit.recv() => Request::Stop(Order::Quit),
            _ = self.terminate.recv() => Request::Stop(Order::Drain),
            _ = self.interrupt.recv() => Request::Stop(Order::Finish),
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const DELAY: Duration = Duration::from_secs(5);

    /// How far `orders`, all given at once, bring a process, and how long that takes.
    async fn outcome(given: &[Order]) -> (Stage, Duration) {
        let (commander, mut orders) = channel();
        given.iter().for_each(|order| commander.give(*order));
        let (lifecycle, begun) = (Lifecycle::default(), Instant::now());
        let stages = lifecycle.stages();
        assert!(!lifecycle.is_draining());
        lifecycle.begin(&mut orders, DELAY, |_| {}).await;
        assert!(lifecycle.is_draining());
        (stages.now(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn each_order_has_its_stage_and_the_second_ends_everything() {
        use Order::{Drain, Finish, Quit};
        assert_eq!(outcome(&[Drain]).await, (Stage::Draining, DELAY));
        assert_eq!(outcome(&[Finish]).await, (Stage::Finishing, Duration::ZERO));
        assert_eq!(outcome(&[Quit]).await, (Stage::Over, Duration::ZERO));
        for second in [Drain, Finish, Quit] {
            let ended = (Stage::Over, Duration::ZERO);
            assert_eq!(outcome(&[Drain, second]).await, ended);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_drains_from_the_first_moment_on() {
        let (commander, mut orders) = channel();
        let lifecycle = Lifecycle::default();
        let mut stages = lifecycle.stages();
        let begin = lifecycle.begin(&mut orders, DELAY, |_| {});
        let watch = async {
            commander.give(Order::Drain);
            tokio::time::sleep(DELAY / 2).await;
            assert!(lifecycle.is_draining());
            assert_eq!(stages.now(), Stage::Serving, "clients still come in");
            stages.beyond(Stage::Serving).await;
        };
        tokio::join!(begin, watch);
    }

    #[tokio::test(start_paused = true)]
    async fn to_ask_and_then_to_stop_is_one_order() {
        let (commander, mut orders) = channel();
        commander.ask_to_drain();
        commander.ask_to_drain();
        commander.give(Order::Drain);
        assert_eq!(orders.next().await, Order::Drain);
        assert!(orders.0.is_empty());
        commander.ask_to_drain();
        assert!(orders.0.is_empty());
        commander.give(Order::Drain);
        assert_eq!(orders.next().await, Order::Drain);
    }

    #[test]
    fn no_stage_comes_back() {
        let lifecycle = Lifecycle::default();
        lifecycle.advance(Stage::Over);
        lifecycle.advance(Stage::Draining);
        assert_eq!(lifecycle.stages().now(), Stage::Over);
    }
}
