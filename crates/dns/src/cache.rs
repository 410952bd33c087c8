//! Answers of others, kept for a short while: few enough to cost next to no memory, long enough to take the
//! repeated questions of a busy pod.

use corten_rt::Instant;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::collections::HashMap;
use std::time::Duration;

/// How many answers are kept.
const MOST: usize = 1000;
/// How long an answer is kept at most, whatever it says itself.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the answer that there is nothing is kept when it does not say.
const NOTHING_FOR: Duration = Duration::from_secs(5);

type Question = (Name, RecordType, bool);

/// Answers by question.
#[derive(Default)]
pub struct Cache {
    answers: HashMap<Question, Kept>,
}

struct Kept {
    message: Message,
    since: Instant,
    until: Instant,
}

impl Cache {
    /// The answer to `question`, its times to live shortened by its age.
    pub fn get(&self, question: &Question, now: Instant) -> Option<Message> {
        let kept = self.answers.get(question).filter(|kept| kept.until > now)?;
        let age = now.saturating_duration_since(kept.since).as_secs();
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        let mut message = kept.message.clone();
        let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
        for record in sections.into_iter().flatten() {
            record.ttl = record.ttl.saturating_sub(age);
        }
        Some(message)
    }

    /// Keeps an answer if it may be kept.
    pub fn put(&mut self, question: Question, message: &Message, now: Instant) {
        let Some(time) = time_to_keep(message) else { return };
        if self.answers.len() >= MOST {
            self.answers.retain(|_, kept| kept.until > now);
        }
        if self.answers.len() >= MOST {
            // Anyone goes: what is asked again comes back.
            if let Some(victim) = self.answers.keys().next().cloned() {
                self.answers.remove(&victim);
            }
        }
        self.answers.insert(question, Kept { message: message.clone(), since: now, until: now + time });
    }
}

/// How long `message` may be kept; `None` for failures and cut answers.
fn time_to_keep(message: &Message) -> Option<Duration> {
    if message.metadata.truncation {
        return None;
    }
    let seconds = match message.metadata.response_code {
        ResponseCode::NoError if !message.answers.is_empty() => message.answers.iter().map(|r| r.ttl).min(),
        ResponseCode::NoError | ResponseCode::NXDomain => {
            message.authorities.iter().find_map(|record| match &record.data {
                RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
                _ => None,
            })
        }
        _ => return None,
    };
    let time = seconds.map_or(NOTHING_FOR, |s| Duration::from_secs(u64::from(s)));
    (!time.is_zero()).then_some(time.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::A;

    fn question(name: &str) -> Question {
        (Name::from_ascii(name).expect("valid"), RecordType::A, false)
    }

    fn message(code: ResponseCode, ttl: Option<u32>) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.response_code = code;
        let record = |ttl| Record::from_rdata(question("a.").0, ttl, RData::A(A::new(1, 2, 3, 4)));
        message.answers.extend(ttl.map(record));
        message
    }

    #[test]
    fn answers_live_as_long_as_they_say_within_bounds() {
        for (code, ttl, want) in [
            (ResponseCode::NoError, Some(10), Some(10)),
            (ResponseCode::NoError, Some(3600), Some(30)),
            (ResponseCode::NoError, Some(0), None),
            (ResponseCode::NoError, None, Some(5)),
            (ResponseCode::NXDomain, None, Some(5)),
            (ResponseCode::ServFail, None, None),
        ] {
            let got = time_to_keep(&message(code, ttl)).map(|t| t.as_secs());
            assert_eq!(got, want, "{code} {ttl:?}");
        }
    }

    #[test]
    fn times_to_live_run_down_and_the_cache_stays_small() {
        let now = Instant::now();
        let mut cache = Cache::default();
        for i in 0..2 * MOST {
            cache.put(question(&format!("n{i}.")), &message(ResponseCode::NoError, Some(10)), now);
        }
        assert_eq!(cache.answers.len(), MOST);
        let last = question(&format!("n{}.", 2 * MOST - 1));
        let later = cache.get(&last, now + Duration::from_secs(4)).expect("kept");
        assert_eq!(later.answers[0].ttl, 6);
        assert!(cache.get(&last, now + Duration::from_secs(10)).is_none());
    }
}
