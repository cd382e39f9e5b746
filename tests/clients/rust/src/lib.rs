//! The real server as a child process, for the tests of Arrow's Rust Flight SQL client.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(30);

/// One server, which ends with this value.
pub struct Server {
    process: Child,
    folder: PathBuf,
    pub url: String,
}

impl Server {
    /// Starts $HYPRSTREAM_BINARY `serve --port 0` with variables of its own.
    pub fn start(environment: &[(&str, &str)]) -> Server {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!("hyprstream-rust-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let ready = folder.join("ready");
        let mut command = Command::new(std::env::var("HYPRSTREAM_BINARY").expect("HYPRSTREAM_BINARY"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HYPRSTREAM_")) {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied()).args(["serve", "--port", "0", "--ready-file"]).arg(&ready);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server");
        let mut server = Server { process, folder, url: String::new() };
        let deadline = Instant::now() + BOUND;
        while server.url.is_empty() {
            assert!(Instant::now() < deadline, "the server did not start");
            if let Ok(address) = std::fs::read_to_string(&ready) {
                server.url = format!("http://{}", address.trim());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
