//! Frames on a sync stream: `u32` big-endian body length | one flag byte | body.
//! Flag 0 is a raw body, flag 1 a zstd body that states its unpacked size. Knows bytes and limits,
//! nothing of peers, connections or what a frame says.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::get_frame_content_size,
};

/// Bytes in front of every body: its length and its flag.
pub const HEADER_SIZE_BYTES: usize = 5;

/// Bodies shorter than this are sent as they are.
pub const COMPRESS_FROM_BYTES: usize = 512;

const ZSTD_LEVEL: i32 = 1;
const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Why bytes from a peer are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The body is, or would unpack to, more than allowed.
    #[error("a frame of {size_bytes} bytes is over the limit of {limit_bytes}")]
    Oversize { size_bytes: u64, limit_bytes: usize },
    /// A flag byte that this version does not know.
    #[error("unknown frame flag {0}")]
    UnknownFlag(u8),
    /// A zstd body that does not state how large it will be.
    #[error("a packed frame does not state its size")]
    SizeMissing,
    /// A zstd body that does not unpack to what it stated.
    #[error("a packed frame is damaged")]
    Damaged(#[source] io::Error),
    /// The stream failed, or ended inside a frame.
    #[error("the stream broke off")]
    Stream(#[from] io::Error),
}

/// What a frame says of its body before the body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the body as it travels.
    pub size_bytes: usize,
    packed: bool,
}

impl Header {
    /// Refuses a body that is longer than `limit_bytes` as it travels.
    pub fn check(self, limit_bytes: usize) -> Result<(), FrameError> {
        if self.size_bytes > limit_bytes {
            return Err(FrameError::Oversize { size_bytes: self.size_bytes as u64, limit_bytes });
        }
        Ok(())
    }
}

/// Writes frames; keeps the compression context of its stream, made at the first use.
#[derive(Default)]
pub struct FrameWriter {
    compressor: Option<Compressor<'static>>,
}

impl FrameWriter {
    /// Writes one frame without flushing. The caller has bounded the length of `body`.
    pub async fn write<W>(&mut self, out: &mut W, body: &[u8]) -> io::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        let packed = self.pack(body)?;
        let (flag, bytes) = match &packed {
            Some(packed) => (ZSTD, packed.as_slice()),
            None => (RAW, body),
        };
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut header = [0; HEADER_SIZE_BYTES];
        header[..4].copy_from_slice(&size.to_be_bytes());
        header[4] = flag;
        out.write_all(&header).await?;
        out.write_all(bytes).await
    }

    /// The packed body, where packing is tried and pays.
    fn pack(&mut self, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if body.len() < COMPRESS_FROM_BYTES {
            return Ok(None);
        }
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            empty => empty.insert(Compressor::new(ZSTD_LEVEL)?),
        };
        let packed = compressor.compress(body)?;
        Ok((packed.len() < body.len()).then_some(packed))
    }
}

/// Reads frames; keeps the decompression context of its stream, made at the first use.
#[derive(Default)]
pub struct FrameReader {
    decompressor: Option<Decompressor<'static>>,
}

impl FrameReader {
    /// Reads the next header, or `None` where the stream ends between two frames.
    pub async fn header<R>(&mut self, input: &mut R) -> Result<Option<Header>, FrameError>
    where
        R: AsyncRead + Unpin,
    {
        let mut bytes = [0; HEADER_SIZE_BYTES];
        if input.read(&mut bytes[..1]).await? == 0 {
            return Ok(None);
        }
        input.read_exact(&mut bytes[1..]).await?;
        let size_bytes = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let packed = match bytes[4] {
            RAW => false,
            ZSTD => true,
            other => return Err(FrameError::UnknownFlag(other)),
        };
        Ok(Some(Header { size_bytes, packed }))
    }

    /// Reads the body that `header` announced. The caller has checked the header;
    /// unpacked, the body may be up to `unpacked_limit_bytes`, and no more is ever allocated.
    pub async fn body<R>(
        &mut self,
        input: &mut R,
        header: Header,
        unpacked_limit_bytes: usize,
    ) -> Result<Vec<u8>, FrameError>
    where
        R: AsyncRead + Unpin,
    {
        let mut body = vec![0; header.size_bytes];
        input.read_exact(&mut body).await?;
        if header.packed { self.unpack(&body, unpacked_limit_bytes) } else { Ok(body) }
    }

    fn unpack(&mut self, packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, FrameError> {
        let size_bytes =
            get_frame_content_size(packed).ok().flatten().ok_or(FrameError::SizeMissing)?;
        if size_bytes > limit_bytes as u64 {
            return Err(FrameError::Oversize { size_bytes, limit_bytes });
        }
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            empty => empty.insert(Decompressor::new().map_err(FrameError::Damaged)?),
        };
        let body =
            decompressor.decompress(packed, size_bytes as usize).map_err(FrameError::Damaged)?;
        if body.len() as u64 != size_bytes {
            return Err(FrameError::Damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;
    use crate::network::tests::noise;

    const LIMIT_BYTES: usize = 4 << 20;

    fn written(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        block_on(FrameWriter::default().write(&mut out, body)).expect("a vector takes all");
        out
    }

    fn read(bytes: &[u8], limit_bytes: usize) -> Result<Option<Vec<u8>>, FrameError> {
        let mut input = Cursor::new(bytes);
        let mut reader = FrameReader::default();
        block_on(async {
            let Some(header) = reader.header(&mut input).await? else { return Ok(None) };
            header.check(limit_bytes)?;
            reader.body(&mut input, header, limit_bytes).await.map(Some)
        })
    }

    #[test]
    fn what_is_written_is_read_back() {
        for body in
            [vec![], vec![7], vec![0; 511], vec![0; 512], vec![1; 900 << 10], noise(1, 70_000)]
        {
            let frame = written(&body);
            assert_eq!(read(&frame, LIMIT_BYTES).expect("a good frame"), Some(body));
        }
    }

    #[test]
    fn only_a_body_that_shrinks_is_packed() {
        assert_eq!(written(&[0; 511])[4], RAW);
        assert_eq!(written(&[0; 512])[4], ZSTD);
        assert!(written(&[0; 100_000]).len() < 200);
        assert_eq!(written(&noise(1, 100_000))[4], RAW);
    }

    #[test]
    fn an_end_between_frames_is_no_error_and_an_end_inside_one_is() {
        let frame = written(&noise(1, 600));
        assert!(matches!(read(&[], LIMIT_BYTES), Ok(None)));
        for cut in 1..frame.len() {
            assert!(matches!(read(&frame[..cut], LIMIT_BYTES), Err(FrameError::Stream(_))));
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_unpacked() {
        let bomb = written(&vec![0; LIMIT_BYTES + 1]);
        assert!(bomb.len() < 1000);
        assert!(matches!(read(&bomb, LIMIT_BYTES), Err(FrameError::Oversize { .. })));
        let announced = [0xff, 0xff, 0xff, 0xff, RAW];
        assert!(matches!(read(&announced, LIMIT_BYTES), Err(FrameError::Oversize { .. })));
    }

    #[test]
    fn damaged_frames_are_errors() {
        let good = written(&[3; 4096]);
        for at in HEADER_SIZE_BYTES..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Some flips still unpack; none may panic or unpack beyond the limit.
                if let Ok(Some(body)) = read(&bad, LIMIT_BYTES) {
                    assert!(body.len() <= LIMIT_BYTES);
                }
            }
        }
        assert!(matches!(read(&[0, 0, 0, 0, 9], LIMIT_BYTES), Err(FrameError::UnknownFlag(9))));
        assert!(matches!(
            read(&[0, 0, 0, 1, ZSTD, 0], LIMIT_BYTES),
            Err(FrameError::SizeMissing | FrameError::Damaged(_))
        ));
    }
}
