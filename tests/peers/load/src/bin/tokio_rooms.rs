//! The room of rooms.rs as tungstenite on tokio: a task for each socket and a broadcast channel.
//! Knows no client.
//!
//! Modes: `current` has one thread, `multi` several. With `-gathering` after it, a member sends all
//! messages that wait before it flushes; without, each message is sent, as in most programs.

use std::io::{self, Write};

use futures_util::{SinkExt, StreamExt};
use socketserver_peers::{Failed, Options};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// More than are ever in flight.
const CHANNEL: usize = 1024;

type Socket = WebSocketStream<TcpStream>;

#[derive(Clone, Copy, PartialEq)]
enum Flush {
    Each,
    Waiting,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Member,
    Publisher,
}

#[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
async fn serve(stream: TcpStream, room: Sender<Utf8Bytes>, flush: Flush) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let mut role = Role::Member;
    let read_path = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if request.uri().path() == "/publisher" {
            role = Role::Publisher;
        }
        Ok(response)
    };
    let messages = room.subscribe();
    let socket = accept_hdr_async(stream, read_path).await?;
    match role {
        Role::Member => member(socket, messages, flush).await,
        Role::Publisher => {
            drop(messages);
            publisher(socket, room).await
        }
    }
}

async fn member(
    mut socket: Socket,
    mut messages: Receiver<Utf8Bytes>,
    flush: Flush,
) -> Result<(), Failed> {
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(text) if flush == Flush::Each => socket.send(Message::Text(text)).await?,
                Ok(text) => {
                    socket.feed(Message::Text(text)).await?;
                    while let Ok(text) = messages.try_recv() {
                        socket.feed(Message::Text(text)).await?;
                    }
                    socket.flush().await?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            // Pings are answered by the library.
            input = socket.next() => match input {
                Some(message) => drop(message?),
                None => return Ok(()),
            },
        }
    }
}

async fn publisher(mut socket: Socket, room: Sender<Utf8Bytes>) -> Result<(), Failed> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            // An error means that the room is empty.
            let _ = room.send(text);
        }
    }
    Ok(())
}

async fn accept(bind: String, flush: Flush) -> Result<(), Failed> {
    let listener = TcpListener::bind(bind).await?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let (room, _) = channel(CHANNEL);
    loop {
        let (stream, _) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, room, flush).await {
                eprintln!("{error}");
            }
        });
    }
}

fn main() -> Result<(), Failed> {
    let options = Options::parse()?;
    let (threads, flush) = match options.mode.split_once('-') {
        Some((threads, "gathering")) => (threads, Flush::Waiting),
        _ => (options.mode.as_str(), Flush::Each),
    };
    let runtime = match threads {
        "current" => Builder::new_current_thread().enable_io().build()?,
        "multi" => {
            Builder::new_multi_thread().worker_threads(options.workers).enable_io().build()?
        }
        other => return Err(format!("no mode {other}: current or multi").into()),
    };
    runtime.block_on(accept(options.bind, flush))
}
