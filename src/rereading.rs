//! What SIGHUP and `POST /reload` do: files that settings name are read again, and it is said which
//! settings would be others after a restart. The service manager hears of the end once all is done.
//!
//! Changes no setting: which of them could change under a running process is not worth knowing by heart.

use std::ffi::OsString;
use std::sync::Arc;

use steadfast::config::{self, Machine, Settings};
use steadfast::reload::Asker;
use steadfast::service;
use tokio::sync::Notify;

/// The settings of this process, and how they were read.
#[derive(Debug)]
pub(crate) struct Known {
    /// The command line.
    pub(crate) args: Vec<OsString>,
    /// What the machine offered.
    pub(crate) machine: Machine,
    /// The settings themselves.
    pub(crate) settings: Settings,
}

impl Known {
    /// Reads the settings again and says what is different. Blocks.
    fn compare(&self) {
        if !self.settings.is_set("config") {
            return;
        }
        match config::load(
            self.args.clone(),
            &|name| std::env::var_os(name),
            self.machine,
        ) {
            Ok(now) => {
                let changed = self.settings.changed(&now.settings);
                if !changed.is_empty() {
                    tracing::warn!(
                        event = "restart_needed",
                        settings = changed.join(","),
                        "these settings are others in the file now, and apply after a restart"
                    );
                }
            }
            Err(refusal) => tracing::error!(
                event = "settings_unusable",
                error = on_one_line(&refusal.to_string()),
                "the process goes on with what it has, and could not be started anew with this"
            ),
        }
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Does it, whoever asks.
#[derive(Debug)]
pub(crate) struct Rereading {
    known: Arc<Known>,
    files: Asker,
    wanted: Notify,
}

impl Rereading {
    /// Of the process with these settings, whose files are read again by those who hear the `files`' asker.
    pub(crate) fn new(known: Known, files: Asker) -> Self {
        let (known, wanted) = (Arc::new(known), Notify::new());
        Self {
            known,
            files,
            wanted,
        }
    }

    /// Asks for it; what is asked before it could begin is done once.
    pub(crate) fn ask(&self) {
        self.wanted.notify_one();
    }

    /// Does it whenever it is asked for. Never returns.
    pub(crate) async fn follow(&self) {
        loop {
            self.wanted.notified().await;
            tracing::info!(
                event = "reload_asked",
                "passwords, certificates, keys and CAs are read again; all else needs a restart"
            );
            service::reloading();
            self.files.ask();
            let known = self.known.clone();
            let compared = tokio::task::spawn_blocking(move || known.compare());
            // Nothing in there panics; and what hangs keeps the manager waiting, which is right.
            let _ = tokio::join!(compared, self.files.finished());
            service::reloaded();
        }
    }
}
