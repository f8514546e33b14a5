//! A node's certificate ends by a date: it is renewed in time, at a start and while the node runs,
//! where the root key is at hand.

use std::time::Duration;

use entente_protocol::time::{Hlc, Millis};

use crate::directory::Directory;
use crate::engine::{EngineHandle, Stopped};
use crate::service::Replica;
use crate::start::{StartError, org_keys};

/// How long a node's certificate is good for, in ms.
pub const CERTIFICATE_MS: u64 = 2 * 365 * 24 * 3600 * 1000;
/// How long before its end it is renewed, in ms.
pub const RENEW_BEFORE_MS: u64 = 60 * 24 * 3600 * 1000;
/// How often a running node looks.
pub(crate) const EVERY: Duration = Duration::from_secs(12 * 3600);

/// Renews the node's certificate if it ends soon.
pub(crate) fn renew(
    directory: &Directory,
    replica: &mut Replica,
    now: Millis,
) -> Result<(), StartError> {
    let (org, node) = (replica.me().org, replica.node_key());
    let ends = replica.directory().expires_at(&org, &node).unwrap_or(0);
    let ended = replica.directory().is_ended(&org, &node);
    if ended || ends > now + RENEW_BEFORE_MS {
        return Ok(());
    }
    let Some(keys) = org_keys(directory)? else {
        tracing::warn!("the node's certificate ends soon: entente node certify --org-key FILE");
        return Ok(());
    };
    let at = Hlc::default().tick(now);
    let renewed = keys.certify(replica.me(), node, None, at, now + CERTIFICATE_MS);
    Ok(replica.learn(vec![renewed])?)
}

/// Renews it for as long as the engine runs; it was looked at when that began.
pub(crate) async fn keep(
    engine: EngineHandle,
    directory: Directory,
    every: Duration,
    clock: fn() -> Millis,
) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    loop {
        ticks.tick().await;
        let directory = directory.clone();
        let done = engine.call(move |replica| match renew(&directory, replica, clock()) {
            Err(error) => {
                tracing::warn!(%error, "the node's certificate was not renewed");
                Ok(())
            }
            Ok(()) => Ok::<_, Stopped>(()),
        });
        if done.await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags};
    use crate::engine::now;
    use crate::start::{Prepared, init};

    /// Thirty days before the first certificate ends.
    fn late() -> Millis {
        now() + CERTIFICATE_MS - RENEW_BEFORE_MS / 2
    }

    #[tokio::test]
    async fn a_node_that_runs_for_years_renews_its_certificate_in_time() {
        let path = std::env::temp_dir().join(format!("entente-renewal-{}", std::process::id()));
        let directory = Directory::at(&path);
        init(&directory, "Acme").unwrap();
        let listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
        let flags = Flags { listen, ..Default::default() };
        let config = Config::read(&path, &flags, &|_| None).unwrap();
        let (engine, ..) = Prepared::open(&directory, &config).await.unwrap().start().unwrap();
        let ends = async || {
            let job = |replica: &mut Replica| {
                let (org, node) = (replica.me().org, replica.node_key());
                Ok::<_, Stopped>(replica.directory().expires_at(&org, &node).unwrap())
            };
            engine.call(job).await.unwrap()
        };
        let first = ends().await;
        let keep =
            |every, clock| tokio::spawn(keep(engine.clone(), directory.clone(), every, clock));
        keep(Duration::from_millis(1), now);
        for _ in 0..10 {
            assert_eq!(ends().await, first, "it is early");
        }
        keep(Duration::from_millis(1), late);
        let renewed = async { while ends().await < first + CERTIFICATE_MS / 2 {} };
        tokio::time::timeout(Duration::from_secs(20), renewed).await.unwrap();
        std::fs::remove_dir_all(&path).unwrap();
    }
}
