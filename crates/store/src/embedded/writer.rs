//! The one writer: a thread that takes all waiting transactions, commits them together, and then answers.

use std::sync::Arc;

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::file::StoreFile;
use super::format::{Head, LOG, META, VERSIONS, encode_version};
use super::purge::{self, Shrinking};
use super::read::record_at;
use crate::hub::Hub;
use crate::{Compare, Durability, Error, Event, Op, Record, Result, Revision, Txn, TxnOutcome};

/// The most transactions, and bytes of values, that one commit takes.
const GROUP_TXNS: usize = 512;
const GROUP_BYTES: usize = 16 << 20;
/// How many revisions are set aside at a time for writes that are acknowledged early.
const RESERVE: u64 = 4096;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Commit, and tell the outcome.
    Txn(Txn, oneshot::Sender<Result<TxnOutcome>>),
    /// Forget what only older revisions show.
    Compact(Revision, oneshot::Sender<Result<()>>),
    /// Bring writes acknowledged early to the disk.
    Flush,
    /// The same, then end.
    Close(oneshot::Sender<Result<()>>),
}

/// What the writer shares with readers.
#[derive(Debug)]
pub(super) struct Shared {
    pub file: StoreFile,
    pub hub: Hub,
}

/// The state of the writer's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    head: Head,
    /// Writes were acknowledged that the disk may not have.
    unsynced: bool,
    /// The last commit failed, and the file has not been opened again since.
    broken: bool,
    /// Compactions under way, a piece at a time between groups.
    compacting: Vec<oneshot::Sender<Result<()>>>,
    shrinking: Shrinking,
}

/// Transactions that wait for one commit, with their answers.
#[derive(Default)]
struct Group {
    txns: Vec<(Txn, oneshot::Sender<Result<TxnOutcome>>)>,
    bytes: usize,
}

/// What a group came to, before it is committed.
struct Applied {
    head: Head,
    outcomes: Vec<TxnOutcome>,
    events: Vec<Event>,
    durable: bool,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Request>,
        head: Head,
        shrink_above_bytes: u64,
    ) -> Self {
        Writer {
            shared,
            queue,
            head,
            unsynced: false,
            broken: false,
            compacting: Vec::new(),
            shrinking: Shrinking::above(shrink_above_bytes),
        }
    }

    /// Serves until closed, or until nobody is left to ask.
    pub fn run(mut self) {
        let closed = loop {
            let Some(request) = self.next() else { break None };
            if let Some(answer) = self.serve(request) {
                break Some(answer);
            }
        };
        self.queue.close();
        let result = self.finish();
        // The directory is free before anyone is told that it is.
        drop(self);
        if let Some(answer) = closed {
            let _ = answer.send(result);
        }
    }

    /// The next request; while a compaction is under way its pieces fill the pauses.
    fn next(&mut self) -> Option<Request> {
        while !self.compacting.is_empty() {
            match self.queue.try_recv() {
                Ok(request) => return Some(request),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => self.compact_piece(),
            }
        }
        self.queue.blocking_recv()
    }

    /// Handles one request and the transactions that wait behind it; whom to tell when it is the last.
    fn serve(&mut self, request: Request) -> Option<oneshot::Sender<Result<()>>> {
        let mut group = Group::default();
        let mut next = Some(request);
        let mut other = None;
        while let Some(request) = next {
            match request {
                Request::Txn(txn, answer) => group.add(txn, answer),
                request => {
                    other = Some(request);
                    break;
                }
            }
            next = if group.is_full() { None } else { self.queue.try_recv().ok() };
        }
        self.commit(group);
        match other {
            Some(Request::Close(answer)) => return Some(answer),
            Some(Request::Compact(revision, answer)) => self.compact(revision, answer),
            Some(Request::Flush) => self.flush(),
            Some(Request::Txn(..)) | None => {}
        }
        // A steady stream of writes must not starve a compaction.
        if !self.compacting.is_empty() {
            self.compact_piece();
        }
        None
    }

    fn commit(&mut self, group: Group) {
        if group.txns.is_empty() {
            return;
        }
        let (txns, answers): (Vec<Txn>, Vec<_>) = group.txns.into_iter().unzip();
        let written = self.mend().and_then(|()| {
            let (before, file) = (self.head, &self.shared.file);
            // Revisions of a group that fails stay used: it may be on the disk after all.
            self.head.revision += txns.len() as u64;
            let applied = file.with(|database| write(file, database, before, &txns))?;
            self.head = applied.head;
            Ok(applied)
        });
        match written {
            Ok(applied) => {
                if !applied.events.is_empty() {
                    self.unsynced = !applied.durable;
                    self.shared.hub.publish(applied.head.revision, &applied.events);
                }
                for (answer, outcome) in answers.into_iter().zip(applied.outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                self.fail(&error);
                answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
    }

    /// Notes a failed write: watchers must list again, and the file must be opened afresh.
    fn fail(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.broken, true) {
            tracing::error!(%error, "the store could not write; it opens its file again");
        }
        self.shared.hub.end_all(Error::Lagged);
        if let Err(error) = self.mend() {
            tracing::error!(%error, "the store could not open its file again");
        }
    }

    /// Opens the file again after a failure.
    fn mend(&mut self) -> Result<()> {
        if self.broken {
            self.head = self.shared.file.reopen(self.head.revision)?;
            // Who joined meanwhile missed what the failed commit may have left on the disk.
            self.shared.hub.end_all(Error::Lagged);
            self.shared.hub.skip_to(self.head.revision);
            (self.broken, self.unsynced) = (false, false);
        }
        Ok(())
    }

    fn flush(&mut self) {
        if self.unsynced
            && let Err(error) = self.mend().and_then(|()| self.write_head(self.head))
        {
            self.fail(&error);
        }
    }

    /// Brings `head`, and with it everything before, to the disk.
    fn write_head(&mut self, head: Head) -> Result<()> {
        let file = &self.shared.file;
        file.with(|database| {
            let txn = file.begin(database)?;
            head.write(&mut txn.open_table(META).map_err(redb::Error::from)?)?;
            Ok(txn.commit().map_err(redb::Error::from)?)
        })?;
        self.head = head;
        self.unsynced = false;
        Ok(())
    }

    fn compact(&mut self, revision: Revision, answer: oneshot::Sender<Result<()>>) {
        if revision > self.head.revision {
            let _ = answer.send(Err(Error::FutureRevision { current: self.head.revision }));
            return;
        }
        match self.mend() {
            Ok(()) => {
                // Written with the first piece.
                self.head.oldest = self.head.oldest.max(revision);
                self.compacting.push(answer);
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// One piece of the compactions under way; at the end, the answers.
    fn compact_piece(&mut self) {
        let file = &self.shared.file;
        let piece = self.head;
        let done = match file.with(|database| purge::piece(file, database, piece)) {
            Ok(purge::Piece { head, finished: false }) => {
                self.head = head;
                return;
            }
            Ok(purge::Piece { head, finished: true }) => {
                self.head = head;
                self.shrinking.consider(file, head.live_bytes + head.history_bytes)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &done {
            self.fail(error);
        }
        self.compacting.drain(..).for_each(|answer| drop(answer.send(done.clone())));
    }

    /// Ends cleanly: everything is on the disk and no revision stays reserved.
    fn finish(&mut self) -> Result<()> {
        let done = self.mend().and_then(|()| {
            let reserved = self.head.revision;
            self.write_head(Head { reserved, ..self.head })
        });
        if let Err(error) = &done {
            tracing::error!(%error, "the store was closed without its last writes");
        }
        done
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Also after a panic: nobody may wait for a writer that is gone.
        self.shared.hub.close();
        self.shared.file.close();
    }
}

impl Group {
    fn add(&mut self, txn: Txn, answer: oneshot::Sender<Result<TxnOutcome>>) {
        self.bytes += txn.value_bytes();
        self.txns.push((txn, answer));
    }

    fn is_full(&self) -> bool {
        self.txns.len() >= GROUP_TXNS || self.bytes >= GROUP_BYTES
    }
}

/// Applies a group and commits it, as durably as its strictest member that changed something demands.
fn write(file: &StoreFile, database: &Database, head: Head, txns: &[Txn]) -> Result<Applied> {
    let mut commit = file.begin(database)?;
    let mut applied = apply(&commit, head, txns)?;
    if applied.events.is_empty() {
        commit.abort().map_err(redb::Error::from)?;
        return Ok(applied);
    }
    if applied.head.revision > applied.head.reserved && !applied.durable {
        applied.head.reserved = applied.head.revision + RESERVE;
        applied.durable = true;
    }
    applied.head.write(&mut commit.open_table(META).map_err(redb::Error::from)?)?;
    let durability = if applied.durable { redb::Durability::Immediate } else { redb::Durability::None };
    commit.set_durability(durability).map_err(redb::Error::from)?;
    commit.commit().map_err(redb::Error::from)?;
    Ok(applied)
}

/// Each transaction in turn sees what those before it in the group did.
fn apply(commit: &WriteTransaction, head: Head, txns: &[Txn]) -> Result<Applied, redb::Error> {
    let mut tables = Tables { versions: commit.open_table(VERSIONS)?, log: commit.open_table(LOG)? };
    let mut applied = Applied { head, outcomes: Vec::new(), events: Vec::new(), durable: false };
    for txn in txns {
        let now = applied.head.revision;
        let current = tables.compared(&txn.compares)?;
        if !txn.compares.iter().zip(&current).all(|(c, r)| c.holds(r.as_ref())) {
            applied.outcomes.push(TxnOutcome::Failed { revision: now, current });
            continue;
        }
        let before = applied.events.len();
        for op in &txn.ops {
            let place = (now + 1, (applied.events.len() - before) as u32);
            let compared = txn.compares.iter().position(|c| c.key == *op.key());
            let previous = match compared {
                Some(i) => current[i].clone(),
                None => tables.current(op.key())?,
            };
            applied.events.extend(tables.change(op, place, previous, &mut applied.head)?);
        }
        if applied.events.len() > before {
            applied.head.revision = now + 1;
            applied.durable |= txn.durability == Durability::Durable;
        }
        applied.outcomes.push(TxnOutcome::Committed { revision: applied.head.revision });
    }
    Ok(applied)
}

/// The tables that a group changes.
struct Tables<'txn> {
    versions: redb::Table<'txn, (&'static str, u64), &'static [u8]>,
    log: redb::Table<'txn, (u64, u32), &'static str>,
}

impl Tables<'_> {
    fn current(&self, key: &str) -> Result<Option<Record>, redb::Error> {
        record_at(&self.versions, key, Revision::MAX)
    }

    fn compared(&self, compares: &[Compare]) -> Result<Vec<Option<Record>>, redb::Error> {
        compares.iter().map(|compare| self.current(&compare.key)).collect()
    }

    /// Does `op` over `previous` at `place` (revision, number within the transaction); its event if it
    /// changed anything.
    fn change(
        &mut self,
        op: &Op,
        place: (Revision, u32),
        previous: Option<Record>,
        head: &mut Head,
    ) -> Result<Option<Event>, redb::Error> {
        let (key, revision) = (op.key(), place.0);
        let current = match op {
            Op::Put(key, value) => Some(Record::put(key.clone(), value.clone(), revision, previous.as_ref())),
            Op::Delete(_) if previous.is_none() => return Ok(None),
            Op::Delete(_) => None,
        };
        self.versions.insert((&**key, revision), encode_version(current.as_ref()).as_slice())?;
        self.log.insert(place, &**key)?;
        let (new, old) =
            (current.as_ref().map_or(0, Record::bytes), previous.as_ref().map_or(0, Record::bytes));
        head.records = head.records + u64::from(current.is_some()) - u64::from(previous.is_some());
        head.live_bytes = head.live_bytes + new - old;
        head.history_bytes += old;
        Ok(Some(Event { revision, key: key.clone(), current, previous }))
    }
}
