//! Looks at password files again and again, and says in the log what came of it.
//!
//! Kubernetes swaps a symbolic link two levels up, which no watch on a file survives, and others
//! write in place: so the content is read again and compared.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Password;
use super::password::News;
use crate::reload::{Asked, Content, Occasion, Schedule};

/// How soon at most, however often a server takes the password for wrong.
const GAP_MIN: Duration = Duration::from_millis(250);

/// Looks at the files of `passwords` every so often, when a server takes one for wrong, and whenever
/// that is `asked` for, for ever; at those of others never.
pub async fn watch(passwords: Vec<Password>, asked: Asked) {
    let from_files = passwords.into_iter().filter(|one| one.file().is_some());
    // Each by itself: a volume that hangs must hang no other.
    let watches: JoinSet<_> = from_files
        .map(|password| follow(password, asked.schedule()))
        .collect();
    watches.join_all().await;
}

async fn follow(password: Password, mut schedule: Schedule) {
    loop {
        sleep(GAP_MIN).await;
        let asked = tokio::select! {
            occasion = schedule.due() => occasion == Occasion::Asked,
            () = password.doubted() => false,
        };
        let looked_at = password.clone();
        // Nothing in there panics.
        if let Ok(news) = tokio::task::spawn_blocking(move || looked_at.refresh()).await {
            if let (Some(file), false) = (password.file(), matches!(news, News::None)) {
                let taken = matches!(news, News::Renewed | News::Recovered);
                // Endpoints may have other files by the same flag.
                let files = format!("{} {}", file.flag, file.path.display());
                schedule.record().note(Content::Password, &files, taken);
            }
            tell(&password, &news, asked);
        }
    }
}

fn tell(password: &Password, news: &News, asked: bool) {
    let flag = password.file().map(|file| file.flag);
    match news {
        News::None if asked => tracing::info!(
            event = "password_unchanged",
            flag,
            "the file has the password it had"
        ),
        News::None => {}
        News::Recovered => tracing::info!(
            event = "password_unchanged",
            flag,
            "the file can be used again, and has the password it had"
        ),
        News::Renewed => tracing::info!(
            event = "password_renewed",
            flag,
            asked,
            "the file has another password; connections that are open stay"
        ),
        News::Refused(fault) => tracing::error!(
            event = "password_not_renewed",
            flag,
            asked,
            error = %fault,
            "the password of before is kept"
        ),
    }
}
