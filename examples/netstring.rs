//! An example of a custom protocol: netstrings (`5:hello,`), and a server that echoes them.
//! `cargo run --example netstring`, then `printf '5:hello,' | nc 127.0.0.1 7008`.

use socketserver::{Close, Context, Framed, MessageHandler, Protocol, Server, Step};

/// The length in digits, a colon, the data, a comma. At most 9,999 bytes of data.
pub(crate) struct Netstring;

impl Protocol for Netstring {
    type Message<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Step<&'a [u8]>, Close> {
        let refuse = |why| Err(Close::Malformed { code: 0, why });
        let digits = input.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
        match input.get(digits) {
            _ if digits > 1 && input[0] == b'0' => return refuse("a length with a leading zero"),
            _ if digits > 4 => return refuse("a netstring of more than 9,999 bytes"),
            Some(b':') if digits > 0 => {}
            Some(_) => return refuse("a netstring without its length"),
            None => return Ok(Step::NeedMore),
        }
        let len = input[..digits].iter().fold(0, |len, digit| len * 10 + usize::from(digit - b'0'));
        let (start, end) = (digits + 1, digits + 1 + len);
        match input.get(end) {
            Some(b',') => Ok(Step::Message(&input[start..end], end + 1)),
            Some(_) => refuse("a netstring without its comma"),
            None => Ok(Step::NeedMore),
        }
    }
}

pub(crate) struct Echo;

impl MessageHandler<Netstring> for Echo {
    fn on_message(&mut self, message: &[u8], cx: &mut Context<'_>) -> Result<(), Close> {
        cx.write(format!("{}:", message.len()).as_bytes());
        cx.write(message);
        cx.write(b",");
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7008".into());
    let server = Server::bind(address)?;
    println!("listening on {}", server.addresses()[0]);
    server.serve(|_| Framed::new(Netstring, Echo))
}
