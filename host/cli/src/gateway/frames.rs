//! Frames off a connection and onto it. What a client announces is believed as far as it has come: a frame's memory grows
//! with its bytes, and those beyond [`OWN`] are counted where all that its caller sends is counted.

use std::future::pending;
use std::io;

use bytes::{Buf, BufMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::places::{Held, SessionPlace};

/// Bytes of a frame that are held in any case.
const OWN: usize = 64 << 10;

/// The frames that a client sends.
pub struct Frames<R> {
    reader: BufReader<R>,
    longest: usize,
    /// Where long frames are counted, once it is known whose they are. Until then no frame is long.
    place: Option<SessionPlace>,
    head: [u8; size_of::<u32>()],
    head_came: usize,
    content: Vec<u8>,
    held: Option<Held>,
}

/// A frame that has come whole.
#[derive(Debug)]
pub struct Frame {
    pub content: Vec<u8>,
    /// Kept until it is carried out.
    pub held: Option<Held>,
}

/// Why there is no next frame.
#[derive(Debug)]
pub enum NoFrame {
    /// The connection has ended, between two frames or within one.
    Ended,
    /// It is longer than a frame may be.
    TooLong,
    /// It is longer than most, and others of its caller have the room for that.
    NoRoom,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Off a connection, of at most so many bytes each.
    pub fn new(reader: R, longest: usize) -> Self {
        Self {
            reader: BufReader::new(reader),
            longest,
            place: None,
            head: Default::default(),
            head_came: 0,
            content: Vec::new(),
            held: None,
        }
    }

    /// From here on frames may be longer, and are counted in that place.
    pub fn admit(&mut self, place: SessionPlace, longest: usize) {
        self.longest = longest;
        self.place = Some(place);
    }

    /// What they came off, with what of them was read already.
    pub fn into_inner(self) -> impl AsyncRead + Unpin {
        self.reader
    }

    /// The next frame. Cancel safe: what has come of it is kept.
    pub async fn next(&mut self) -> Result<Frame, NoFrame> {
        self.fill().await?;
        self.head_came = 0;
        Ok(Frame { content: std::mem::take(&mut self.content), held: self.held.take() })
    }

    /// Ends when the connection has. Reads ahead as far as the end of the next frame; what lies behind that is not looked
    /// at. Cancel safe.
    pub async fn gone(&mut self) {
        if !matches!(self.fill().await, Err(NoFrame::Ended)) {
            // What is wrong with the next frame is said in its turn.
            pending().await
        }
    }

    /// Reads until a whole frame has come. Cancel safe, and to be asked again where it has failed.
    async fn fill(&mut self) -> Result<(), NoFrame> {
        while self.head_came < self.head.len() {
            let read = self.reader.read(&mut self.head[self.head_came..]).await;
            self.head_came += came(read)?;
        }
        let length = usize::try_from(u32::from_le_bytes(self.head)).unwrap_or(usize::MAX);
        if length > self.longest {
            return Err(NoFrame::TooLong);
        }
        while self.content.len() < length {
            let held = self.content.len();
            if held == self.content.capacity() {
                self.grow(length.min((2 * held).max(8 << 10)))?;
            }
            let read = self.reader.read_buf(&mut (&mut self.content).limit(length - held)).await;
            came(read)?;
        }
        Ok(())
    }

    /// Makes room for so many bytes of the content.
    fn grow(&mut self, bytes: usize) -> Result<(), NoFrame> {
        if bytes > OWN
            && let Some(place) = &self.place
        {
            self.held.get_or_insert_with(|| place.hold()).grow_to(bytes).map_err(|_| NoFrame::NoRoom)?;
        }
        self.content.reserve_exact(bytes - self.content.len());
        Ok(())
    }
}

/// How many bytes have come: none are the end.
fn came(read: io::Result<usize>) -> Result<usize, NoFrame> {
    match read {
        Ok(0) | Err(_) => Err(NoFrame::Ended),
        Ok(came) => Ok(came),
    }
}

/// Sends a frame of that content.
pub async fn send(writer: &mut (impl AsyncWrite + Unpin), content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(|_| io::Error::other("the answer has 4 GiB"))?;
    writer.write_all_buf(&mut Buf::chain(length.to_le_bytes().as_slice(), content)).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_in_whatever_pieces_it_comes_and_a_cancelled_reading_loses_nothing() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut frames = Frames::new(server, 100_000);
        let (one, two) = (vec![1; 70_000], vec![2; 3]);
        let mut bytes = Vec::new();
        send(&mut bytes, &one).await.unwrap();
        send(&mut bytes, &two).await.unwrap();
        for piece in bytes.chunks(999) {
            client.write_all(piece).await.unwrap();
            // One poll, which may take what there is of it.
            tokio::select! {
                biased;
                () = frames.gone() => panic!("it is still there"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(frames.next().await.unwrap().content, one);
        assert_eq!(frames.next().await.unwrap().content, two);
        client.write_all(&[1, 0, 0]).await.unwrap();
        drop(client);
        frames.gone().await;
        assert!(matches!(frames.next().await, Err(NoFrame::Ended)));
    }

    #[tokio::test]
    async fn a_frame_is_as_long_as_it_may_be_and_no_memory_is_taken_for_what_has_not_come() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut frames = Frames::new(server, 1 << 31);
        client.write_all(&(1_u32 << 31).to_le_bytes()).await.unwrap();
        client.write_all(&[7; 100]).await.unwrap();
        tokio::select! {
            biased;
            _ = frames.next() => panic!("it has not come"),
            () = std::future::ready(()) => {}
        }
        assert_eq!((frames.content.len(), frames.content.capacity()), (100, 8 << 10));
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut frames = Frames::new(server, 9);
        client.write_all(&[10, 0, 0, 0]).await.unwrap();
        assert!(matches!(frames.next().await, Err(NoFrame::TooLong)));
        assert!(matches!(frames.next().await, Err(NoFrame::TooLong)));
    }
}
