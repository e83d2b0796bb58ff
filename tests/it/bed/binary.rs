//! Which server a bed runs.
//!
//! `STEADFAST_TEST_SERVER` chooses: `redis`, `valkey`, or the path of a binary.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary that beds run unless told otherwise.
pub(super) fn server_binary() -> PathBuf {
    match server_name().as_str() {
        "valkey" => "valkey-server".into(),
        "redis" => "redis-server".into(),
        // Nodes run in directories of their own.
        path => std::path::absolute(path).unwrap(),
    }
}

/// Valkey 9.1 as `tests/setup.sh newer` brings it; none where it did not.
pub(crate) fn valkey_9() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = root.join("target/tools/bin/valkey-server-9.1");
    binary.exists().then_some(binary)
}

/// The server that `STEADFAST_TEST_SERVER` asks for.
pub(crate) fn server_name() -> String {
    env::var("STEADFAST_TEST_SERVER").unwrap_or_else(|_| "redis".into())
}

/// Whether that server was built with TLS; one that was refuses to start for want of a certificate.
pub(crate) fn speaks_tls() -> bool {
    let mut command = Command::new(server_binary());
    let tried = command.args(["--port", "0", "--tls-port", "1"]).output();
    let said = tried.expect("the server runs").stdout;
    !String::from_utf8_lossy(&said).contains("Failed finding TLS support")
}
