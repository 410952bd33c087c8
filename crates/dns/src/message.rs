//! Messages on the wire: what can be said of a request before it is answered, and answers cut to what the
//! client can take.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::DNSClass;

/// The size up to which UDP goes through any network unbroken (DNS flag day 2020).
pub const UDP_SIZE: u16 = 1232;
/// What every client takes by UDP.
const LEAST_UDP_SIZE: u16 = 512;
/// The header's length.
const HEADER: usize = 12;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// A request that can be answered.
#[derive(Clone, Debug)]
pub struct Request {
    pub message: Message,
    pub query: Query,
}

/// Reads a request; an error is the answer to send, or `None` when silence is best.
pub fn read(packet: &[u8]) -> Result<Request, Option<Box<Message>>> {
    let Ok(message) = Message::from_vec(packet) else {
        // Answering answers would let two servers talk forever.
        let is_query = packet.len() >= HEADER && packet[2] & 0x80 == 0;
        let id = packet.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
        let refusal = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return Err(is_query.then(|| Box::new(refusal)));
    };
    if message.metadata.message_type != MessageType::Query {
        return Err(None);
    }
    let refused = |code| Err(Some(Box::new(reply(&message, code))));
    if message.metadata.op_code != OpCode::Query {
        return refused(ResponseCode::NotImp);
    }
    if message.edns.as_ref().is_some_and(|e| e.version() > 0) {
        return refused(ResponseCode::BADVERS);
    }
    match &message.queries[..] {
        [query] if query.query_class() != DNSClass::IN => refused(ResponseCode::Refused),
        [query] => Ok(Request { query: query.clone(), message }),
        _ => refused(ResponseCode::FormErr),
    }
}

/// An answer to `request` without records yet.
pub fn reply(request: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.queries = request.queries.clone();
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_SIZE);
        edns.set_rcode_high(code.high());
        reply.edns = Some(edns);
    }
    reply
}

/// The bytes of `reply`, in the size that the client takes. By UDP, records that do not fit are left out
/// and the answer says so; the client asks again by TCP then.
pub fn write(mut reply: Message, request: &Message, transport: Transport) -> Option<Vec<u8>> {
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => {
            let wanted = request.edns.as_ref().map_or(LEAST_UDP_SIZE, Edns::max_payload);
            usize::from(wanted.clamp(LEAST_UDP_SIZE, UDP_SIZE))
        }
    };
    let bytes = reply.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    reply.additionals.clear();
    let bytes = reply.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    reply.metadata.truncation = true;
    let answers = std::mem::take(&mut reply.answers);
    let (mut fits, mut too_many) = (0, answers.len());
    let mut best = reply.to_vec().ok()?;
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        reply.answers = answers[..middle].to_vec();
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit {
            (fits, best) = (middle, bytes);
        } else {
            too_many = middle;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    fn request(edns: Option<u16>) -> Message {
        let mut message = Message::query();
        message.queries.push(Query::query(Name::from_ascii("a.b.").expect("valid"), RecordType::A));
        message.edns = edns.map(|size| {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            edns
        });
        message
    }

    #[test]
    fn requests_are_judged() {
        let good = request(None).to_vec().expect("encodes");
        assert!(read(&good).is_ok());
        let with = |change: &dyn Fn(&mut Message)| {
            let mut message = request(Some(4096));
            change(&mut message);
            let judged = read(&message.to_vec().expect("encodes"));
            judged.err().map(|reply| reply.map(|r| r.metadata.response_code))
        };
        let mut answer = good.clone();
        answer[2] |= 0x80;
        assert!(matches!(read(&answer), Err(None)), "answers are not answered");
        assert!(matches!(read(&good[..5]), Err(None)));
        let torn = read(&good[..good.len() - 3]).expect_err("torn").expect("answered");
        assert_eq!(torn.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(with(&|m| m.queries.clear()), Some(Some(ResponseCode::FormErr)));
        assert_eq!(with(&|m| m.metadata.op_code = OpCode::Update), Some(Some(ResponseCode::NotImp)));
        let other_class = |m: &mut Message| {
            m.queries[0].set_query_class(DNSClass::CH);
        };
        assert_eq!(with(&other_class), Some(Some(ResponseCode::Refused)));
        let later_version = |m: &mut Message| {
            m.edns.as_mut().expect("set above").set_version(1);
        };
        assert_eq!(with(&later_version), Some(Some(ResponseCode::BADVERS)));
    }

    #[test]
    fn large_answers_are_cut_to_what_the_client_takes() {
        for (edns, transport, want_cut, most) in [
            (None, Transport::Udp, true, 512),
            (Some(100), Transport::Udp, true, 512),
            (Some(4096), Transport::Udp, true, 1232),
            (None, Transport::Tcp, false, 65535),
        ] {
            let request = request(edns);
            let mut answer = reply(&request, ResponseCode::NoError);
            for i in 0..200u8 {
                let data = RData::A(A::new(10, 0, 0, i));
                answer.answers.push(Record::from_rdata(request.queries[0].name().clone(), 5, data));
            }
            let bytes = write(answer, &request, transport).expect("encodes");
            assert!(bytes.len() <= most, "{} for {edns:?}", bytes.len());
            let got = Message::from_vec(&bytes).expect("decodes");
            assert_eq!(got.metadata.truncation, want_cut);
            assert!(got.answers.len() >= 25, "as many as fit");
            assert_eq!(got.edns.is_some(), edns.is_some());
        }
    }
}
