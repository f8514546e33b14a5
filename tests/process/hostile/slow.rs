//! Those who begin and never finish: sockets that are opened and fed byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::*;

/// Connections that are kept waiting at the same time.
const SOCKETS: usize = 200;

#[test]
fn handshakes_that_never_end_are_cut_off_while_a_partner_is_served() {
    let (acme, bright, event) = sharing();
    let before = memory_kib(&acme);
    let hello = b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20";
    let mut open: Vec<TcpStream> = (0..SOCKETS)
        .map(|_| {
            let socket = TcpStream::connect(("127.0.0.1", acme.port())).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let (mut sent, mut slowest, began) = (0, Duration::ZERO, Instant::now());
    until("the node hangs up on all of them", GATE_MAX, || {
        // One more byte for everybody, then look who is left.
        let byte = hello.get(sent).copied().unwrap_or(0);
        sent += 1;
        open.retain_mut(|socket| {
            let alive = match socket.read(&mut [0; 64]) {
                Ok(0) => false,
                Ok(_) => true,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            alive && socket.write_all(&[byte]).is_ok()
        });
        if sent % 20 == 1 {
            slowest = slowest.max(served(&acme, &bright, &event, &format!("Title-{sent}")));
        }
        open.is_empty().then_some(())
    });
    println!("{SOCKETS} sockets for {:?}; an honest edit took {slowest:?}", began.elapsed());
    assert!(slowest < SERVED_MAX, "{slowest:?}");
    let grown = memory_kib(&acme).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB");
}
