//! One sync stream: a task that reads frames into the event channel and one that writes them from
//! a queue bounded in bytes. The session itself says `Opened`, every `Frame`, and last `Closed`,
//! so their order never depends on anyone else. Knows no other connection.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, io::BufReader, io::BufWriter};
use libp2p::{Stream, swarm::ConnectionId};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    CLOSE_GRACE, CloseReason, ConnId, Limits, NetworkEvent, PeerKey, RoundTrip, SendOutcome,
    frame::{FrameError, FrameReader, FrameWriter, Header},
};

/// Bytes read from or written to a stream at a time: small writes cost several times the CPU.
const STREAM_BUFFER_BYTES: usize = 64 << 10;

/// What a queued frame counts beside its own bytes, so that empty frames are bounded too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Frames a peer may have delivered before it is admitted; the next waits in its own socket.
const STRANGER_FRAMES_MAX: u32 = 16;

/// What the handle, the switchboard and the session's two tasks share of one session.
pub struct Link {
    pub conn: ConnId,
    pub peer: PeerKey,
    pub connection: ConnectionId,
    /// Whether this node dialed the connection.
    pub dialer: bool,
    limits: Limits,
    queue: Mutex<Queue>,
    filled: Notify,
    admitted: watch::Sender<bool>,
    since: Instant,
    /// How long the peer took to answer the latest ping.
    round_trip: watch::Sender<Option<Duration>>,
    closing: CancellationToken,
    reason: OnceLock<CloseReason>,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    /// Bytes of the frames above and of the one being written.
    size_bytes: usize,
    /// `send` refused a frame since the last `Writable`.
    refused: bool,
}

impl Link {
    pub fn new(
        conn: ConnId,
        peer: PeerKey,
        connection: ConnectionId,
        dialer: bool,
        limits: Limits,
    ) -> Self {
        Self {
            conn,
            peer,
            connection,
            dialer,
            limits,
            queue: Mutex::default(),
            filled: Notify::new(),
            admitted: watch::Sender::new(false),
            since: Instant::now(),
            round_trip: watch::Sender::new(None),
            closing: CancellationToken::new(),
            reason: OnceLock::new(),
        }
    }

    /// Queues a frame, or says why not. Never waits.
    pub fn send(&self, frame: Vec<u8>) -> SendOutcome {
        if frame.len() > self.limits.frame_max_bytes {
            return SendOutcome::TooLarge;
        }
        if self.closing.is_cancelled() {
            return SendOutcome::Closed;
        }
        let mut queue = self.queue();
        let size_bytes = queue.size_bytes + frame.len() + FRAME_OVERHEAD_BYTES;
        if size_bytes > self.limits.queue_max_bytes {
            queue.refused = true;
            return SendOutcome::Full { queued_bytes: queue.size_bytes };
        }
        queue.size_bytes = size_bytes;
        queue.frames.push_back(frame);
        drop(queue);
        self.filled.notify_one();
        SendOutcome::Queued { queued_bytes: size_bytes }
    }

    pub fn queued_bytes(&self) -> usize {
        self.queue().size_bytes
    }

    /// Lifts the limits for strangers.
    pub fn admit(&self) {
        self.admitted.send_replace(true);
    }

    /// The peer answered a ping.
    pub fn answered(&self, round_trip: Duration) {
        self.round_trip.send_replace(Some(round_trip));
    }

    /// Waits for the next answer to a ping; none if the session ends before.
    pub async fn next_answer(&self) -> Option<RoundTrip> {
        let mut answers = self.round_trip.subscribe();
        tokio::select! {
            changed = answers.changed() => changed.ok()?,
            () = self.closing.cancelled() => return None,
        }
        let took = (*answers.borrow())?;
        Some(RoundTrip { took, connected_for: self.since.elapsed() })
    }

    /// Ends the session: what is queued is still written, for at most [`CLOSE_GRACE`].
    /// The first reason stands.
    pub fn close(&self, reason: CloseReason) {
        let _ = self.reason.set(reason);
        self.closing.cancel();
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a written frame out. Returns whether a sender that was refused can go on.
    fn written(&self, frame_bytes: usize) -> bool {
        let mut queue = self.queue();
        queue.size_bytes -= frame_bytes + FRAME_OVERHEAD_BYTES;
        let writable = queue.refused && queue.size_bytes <= self.limits.queue_max_bytes / 4;
        if writable {
            queue.refused = false;
        }
        writable
    }
}

/// Runs a session from `Opened` to `Closed`.
pub async fn run(
    link: Arc<Link>,
    stream: Stream,
    address: String,
    events: mpsc::Sender<NetworkEvent>,
) -> Arc<Link> {
    let Link { conn, peer, dialer, .. } = *link;
    let (read_half, write_half) = stream.split();
    if events.send(NetworkEvent::Opened { conn, peer, dialer, address }).await.is_err() {
        return link;
    }
    let writer = AbortOnDropHandle::new(tokio::spawn(write_until_closed(
        link.clone(),
        BufWriter::with_capacity(STREAM_BUFFER_BYTES, write_half),
        events.clone(),
    )));
    let reader = BufReader::with_capacity(STREAM_BUFFER_BYTES, read_half);
    let ended = tokio::select! {
        ended = read_frames(&link, reader, &events) => ended,
        () = link.closing.cancelled() => CloseReason::Gone,
    };
    link.close(ended);
    let _ = writer.await;
    let reason = link.reason.get().copied().unwrap_or(ended);
    let _ = events.send(NetworkEvent::Closed { conn, peer, reason }).await;
    link
}

/// Reads until the stream ends, and says why it did.
async fn read_frames<R>(
    link: &Link,
    mut input: BufReader<R>,
    events: &mpsc::Sender<NetworkEvent>,
) -> CloseReason
where
    R: futures::AsyncRead + Unpin,
{
    let mut frames = FrameReader::default();
    let mut delivered = 0;
    loop {
        let bytes = match read_frame(link, &mut frames, &mut input, delivered).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return CloseReason::Gone,
            Err(error) => {
                tracing::debug!(conn = link.conn.0, %error, "no more frames");
                return match error {
                    FrameError::Oversize { .. } => CloseReason::Oversize,
                    FrameError::UnknownFlag(_)
                    | FrameError::SizeMissing
                    | FrameError::Damaged(_) => CloseReason::Malformed,
                    FrameError::Stream(_) => CloseReason::Gone,
                };
            }
        };
        delivered += 1;
        if events.send(NetworkEvent::Frame { conn: link.conn, bytes }).await.is_err() {
            return CloseReason::Shutdown;
        }
    }
}

async fn read_frame<R>(
    link: &Link,
    frames: &mut FrameReader,
    input: &mut BufReader<R>,
    delivered: u32,
) -> Result<Option<Vec<u8>>, FrameError>
where
    R: futures::AsyncRead + Unpin,
{
    let Some(header) = frames.header(input).await? else { return Ok(None) };
    let unpacked_max_bytes = admission(link, header, delivered).await?;
    frames.body(input, header, unpacked_max_bytes).await.map(Some)
}

/// Checks a header against what its sender may send by now, and returns how large the body may be.
///
/// An oversize first frame of a stranger is an error at once. A later one may come from a peer that
/// has admitted this node before its own admission came through here, so it waits for that:
/// until then neither the frame nor what follows is read, and the gate's deadline ends the wait.
async fn admission(link: &Link, header: Header, delivered: u32) -> Result<usize, FrameError> {
    let limits = &link.limits;
    header.check(limits.frame_max_bytes)?;
    let small = header.check(limits.stranger_frame_max_bytes);
    if !*link.admitted.borrow() {
        if delivered == 0 {
            small?;
            return Ok(limits.stranger_frame_max_bytes);
        }
        if small.is_ok() && delivered < STRANGER_FRAMES_MAX {
            return Ok(limits.stranger_frame_max_bytes);
        }
        // The sender lives in `link`, so this ends with an admission or not at all.
        let _ = link.admitted.subscribe().wait_for(|admitted| *admitted).await;
    }
    Ok(limits.unpacked_max_bytes)
}

async fn write_until_closed<W>(
    link: Arc<Link>,
    out: BufWriter<W>,
    events: mpsc::Sender<NetworkEvent>,
) where
    W: futures::AsyncWrite + Unpin,
{
    let overdue = async {
        link.closing.cancelled().await;
        let end = Instant::now() + CLOSE_GRACE;
        timeout_at(end, std::future::pending::<()>()).await
    };
    tokio::select! {
        written = write_frames(&link, out, &events) => {
            // The reader sees the end as well, after what it still has to read.
            if let Err(error) = written {
                tracing::debug!(conn = link.conn.0, %error, "cannot write");
            }
        }
        _ = overdue => tracing::debug!(conn = link.conn.0, "closed before all was written"),
    }
}

async fn write_frames<W>(
    link: &Link,
    mut out: BufWriter<W>,
    events: &mpsc::Sender<NetworkEvent>,
) -> io::Result<()>
where
    W: futures::AsyncWrite + Unpin,
{
    let mut frames = FrameWriter::default();
    loop {
        let next = link.queue().frames.pop_front();
        let Some(frame) = next else {
            out.flush().await?;
            tokio::select! {
                () = link.filled.notified() => continue,
                () = link.closing.cancelled() => {}
            }
            if link.queue().frames.is_empty() {
                return out.close().await;
            }
            continue;
        };
        frames.write(&mut out, &frame).await?;
        if link.written(frame.len()) && !link.closing.is_cancelled() {
            let _ = events.send(NetworkEvent::Writable { conn: link.conn }).await;
        }
    }
}
