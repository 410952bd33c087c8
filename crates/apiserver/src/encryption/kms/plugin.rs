//! One plugin: the seed that is written with, those that were read with, and whether it is well.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use corten_rt::{Clock, Instant, Tasks, Timestamp};
use parking_lot::Mutex;
use prost::Message;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::call::Caller;
use super::metrics::{Counts, hash};
use super::seed::Source;
use super::wire::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, EncryptedObject, SEED, StatusRequest,
    StatusResponse, key_id_wrong,
};

/// How often a plugin is asked how it is, when it was well last and when it was not.
const WELL: Duration = Duration::from_secs(60);
const UNWELL: Duration = Duration::from_secs(10);
/// How long answers to health checks are remembered.
const REMEMBER_WELL: Duration = Duration::from_secs(20);
const REMEMBER_UNWELL: Duration = Duration::from_secs(3);
/// Until when a seed is written with after the plugin was well last, in seconds.
const WRITES: i64 = 180;
/// The most seeds that are remembered; a server makes one at its start and one per key.
const MOST_SEEDS: usize = 4096;

/// What the configuration says of a plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: String,
    pub socket: PathBuf,
    pub timeout: Duration,
}

/// What is written with.
struct Writing {
    source: Arc<Source>,
    /// All but the value.
    object: EncryptedObject,
    key_hash: String,
}

#[derive(Default)]
struct Health {
    answered: Option<(Instant, Duration)>,
    outcome: Option<String>,
    version: String,
}

/// A plugin for key management.
pub struct Plugin {
    name: String,
    caller: Caller,
    clock: Clock,
    writing: ArcSwapOption<Writing>,
    /// Until when that may be written with.
    until: Mutex<Timestamp>,
    /// Seeds and keys by what the plugin made of them.
    sources: Mutex<HashMap<Vec<u8>, Arc<Source>>>,
    health: tokio::sync::Mutex<Health>,
    counts: Counts,
}

impl Plugin {
    /// Not asked yet.
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        Plugin {
            name: settings.name.clone(),
            caller: Caller::new(&settings.socket, settings.timeout),
            clock,
            writing: ArcSwapOption::empty(),
            until: Mutex::new(Timestamp::UNIX_EPOCH),
            sources: Mutex::default(),
            health: tokio::sync::Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its counters, and how many seeds are remembered.
    pub fn counts(&self) -> (&Counts, usize) {
        (&self.counts, self.sources.lock().len())
    }

    /// Waits until it is well, at most `within`, and has `tasks` ask it from then on.
    ///
    /// # Errors
    /// Why it is not well.
    pub async fn begin(self: &Arc<Self>, within: Duration, tasks: &Tasks) -> Result<(), String> {
        let end = Instant::now() + within;
        let outcome = loop {
            match self.check().await {
                Err(_) if Instant::now() + REMEMBER_UNWELL < end => corten_rt::sleep(REMEMBER_UNWELL).await,
                outcome => break outcome,
            }
        };
        let plugin = Arc::downgrade(self);
        tasks.spawn_until_stopped("kms plugin", async move {
            let mut pause = UNWELL;
            loop {
                corten_rt::sleep(pause).await;
                // Another configuration has no need of it any more.
                let Some(plugin) = plugin.upgrade() else { return };
                pause = match plugin.check().await {
                    Ok(()) => WELL,
                    Err(why) => {
                        tracing::warn!(plugin = plugin.name, why, "a plugin for key management is not well");
                        UNWELL
                    }
                };
            }
        });
        outcome
    }

    /// Whether it is well, as it was found lately; makes a new seed when it has another key.
    ///
    /// # Errors
    /// In upstream's words.
    pub async fn check(&self) -> Result<(), String> {
        let mut health = self.health.lock().await;
        if health.answered.is_some_and(|(at, ttl)| at.elapsed() < ttl) {
            return health.outcome.clone().map_or(Ok(()), Err);
        }
        let outcome = self.look(&mut health).await;
        let ttl = if outcome.is_ok() { REMEMBER_WELL } else { REMEMBER_UNWELL };
        health.answered = Some((Instant::now(), ttl));
        health.outcome = outcome.clone().err();
        outcome
    }

    async fn look(&self, health: &mut Health) -> Result<(), String> {
        let asked = self.caller.call("Status", StatusRequest {}, &self.counts).await;
        let status: StatusResponse = asked.map_err(|why| {
            let name = &self.name;
            format!(
                "failed to perform status section of the healthz check for KMS Provider {name}, error: {why}"
            )
        })?;
        let mut wrong = Vec::new();
        if status.healthz != "ok" {
            wrong.push(format!("got unexpected healthz status: {}", status.healthz));
        }
        if !matches!(status.version.as_str(), "v2" | "v2beta1") {
            wrong.push(format!("expected KMSv2 API version v2, got {}", status.version));
        } else if health.version.is_empty() {
            health.version.clone_from(&status.version);
        } else if health.version != status.version {
            wrong.push(format!(
                "KMSv2 API version should not change after the initial status response version {}, got {}",
                health.version, status.version
            ));
        }
        if let Some((word, why)) = key_id_wrong(&status.key_id) {
            self.counts.invalid(word);
            wrong.push(format!("got invalid KMSv2 KeyID hash {:?}: {why}", hash(&status.key_id)));
        } else {
            self.counts.said(&hash(&status.key_id), self.clock.now().as_second());
            wrong.extend(self.rotate(&status.key_id).await.err());
        }
        let why = match wrong.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        Err(format!("kmsv2 Provider {} is not healthy, error: {why}", self.name))
    }

    /// Writes with a seed of the key `key_id` from now on. When that cannot be had, the last one is written with
    /// for its time.
    async fn rotate(&self, key_id: &str) -> Result<(), String> {
        let until = self.clock.now().as_second() + WRITES;
        let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        let current = self.writing.load();
        if current.as_ref().is_some_and(|writing| writing.object.key_id == key_id) {
            *self.until.lock() = until;
            return Ok(());
        }
        let (made, encrypted) = match self.seed().await {
            Ok(writing) => (Ok(()), Some(writing)),
            Err(why) => (Err(why), None),
        };
        let encrypt_key = encrypted.as_ref().map_or("", |writing| writing.object.key_id.as_str());
        if encrypt_key != key_id {
            let state = current.as_ref().map_or("", |writing| writing.object.key_id.as_str());
            return Err(format!(
                "failed to rotate DEK, errGen={}, statusKeyIDHash={:?}, encryptKeyIDHash={:?}, stateKeyIDHash={:?}, expirationTimestamp={}",
                made.err().unwrap_or_else(|| "<nil>".into()),
                hash(key_id),
                hash(encrypt_key),
                hash(state),
                self.until.lock(),
            ));
        }
        if let Some(writing) = encrypted {
            self.remember(cache_key(&writing.object), &writing.source);
            self.writing.store(Some(Arc::new(writing)));
            *self.until.lock() = until;
        }
        Ok(())
    }

    async fn seed(&self) -> Result<Writing, String> {
        let (source, bytes) = Source::random().map_err(|_| "the system gives no random numbers")?;
        let question = EncryptRequest { plaintext: bytes.to_vec(), uid: uid() };
        let made: EncryptResponse = (self.caller.call("Encrypt", question, &self.counts).await)
            .map_err(|why| format!("failed to encrypt DEK, error: {why}"))?;
        let object = EncryptedObject {
            encrypted_data: Bytes::new(),
            key_id: made.key_id,
            source: made.ciphertext,
            annotations: made.annotations,
            source_type: SEED,
        };
        object.validate()?;
        Ok(Writing { source: Arc::new(source), key_hash: hash(&object.key_id), object })
    }

    /// `prefix` and what is stored of `value` at `place`.
    ///
    /// # Errors
    /// When there is no seed to write with.
    pub fn seal(&self, prefix: &[u8], place: &str, value: &[u8]) -> Result<Vec<u8>, String> {
        let writing = self.writing.load();
        let writing = writing.as_ref().ok_or_else(|| {
            format!("the KMS plugin {} has not encrypted a key yet: is it running?", self.name)
        })?;
        let (until, now) = (*self.until.lock(), self.clock.now());
        if now > until {
            return Err(format!(
                "encryptedDEKSource with keyID hash {:?} expired at {until:.0} (current time is {now:.0})",
                writing.key_hash
            ));
        }
        let sealed = writing.source.seal(place, value).map_err(|_| "the value could not be encrypted")?;
        self.counts.used("to_storage", &writing.key_hash, now.as_second());
        let object = EncryptedObject { encrypted_data: sealed.into(), ..writing.object.clone() };
        let mut out = Vec::with_capacity(prefix.len() + object.encoded_len());
        out.extend_from_slice(prefix);
        object.encode(&mut out).map_err(|e| e.to_string())?;
        Ok(out)
    }

    /// The value behind what follows the prefix. Asks the plugin, while the thread waits, for a seed that is not
    /// known yet.
    ///
    /// # Errors
    /// When the plugin does not decrypt the seed, or the seed the value.
    pub fn open(&self, place: &str, sealed: &Bytes) -> Result<Vec<u8>, String> {
        let object = decoded(sealed)?;
        let key = cache_key(&object);
        let known = self.sources.lock().get(&key).cloned();
        let source = match known {
            Some(source) => source,
            None => {
                let source = Arc::new(self.decrypted(&object)?);
                self.remember(key, &source);
                source
            }
        };
        let value = source.open(place, &object.encrypted_data);
        let value = value.map_err(|_| "cipher: message authentication failed")?;
        self.counts.used("from_storage", &hash(&object.key_id), self.clock.now().as_second());
        Ok(value)
    }

    fn decrypted(&self, object: &EncryptedObject) -> Result<Source, String> {
        let question = DecryptRequest {
            ciphertext: object.source.clone(),
            uid: uid(),
            key_id: object.key_id.clone(),
            annotations: object.annotations.clone(),
        };
        let handle = match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => handle,
            _ => return Err("a KMS plugin can be asked by a runtime of several threads alone".into()),
        };
        let call = self.caller.call("Decrypt", question, &self.counts);
        let answer: Result<DecryptResponse, String> = tokio::task::block_in_place(|| handle.block_on(call));
        let answer = answer.map_err(|why| format!("failed to decrypt DEK, error: {why}"))?;
        Source::new(&answer.plaintext, object.source_type == SEED)
    }

    fn remember(&self, key: Vec<u8>, source: &Arc<Source>) {
        let mut sources = self.sources.lock();
        if sources.len() >= MOST_SEEDS {
            sources.clear();
        }
        sources.insert(key, Arc::clone(source));
    }

    /// Whether a value would be written by another key today.
    pub fn is_stale(&self, sealed: &Bytes) -> bool {
        let writing = self.writing.load();
        let (Ok(object), Some(writing)) = (decoded(sealed), writing.as_ref()) else { return false };
        object.key_id != writing.object.key_id || object.source_type != SEED
    }
}

fn decoded(sealed: &Bytes) -> Result<EncryptedObject, String> {
    let object = EncryptedObject::decode(sealed.clone()).map_err(|e| e.to_string())?;
    if object.encrypted_data.is_empty() {
        return Err("encrypted data is empty".into());
    }
    object.validate()?;
    Ok(object)
}

/// What tells seeds apart: all that the plugin is told to decrypt one.
fn cache_key(object: &EncryptedObject) -> Vec<u8> {
    EncryptedObject { encrypted_data: Bytes::new(), ..object.clone() }.encode_to_vec()
}

fn uid() -> String {
    uuid::Builder::from_random_bytes(corten_rt::random::bytes16()).into_uuid().to_string()
}
