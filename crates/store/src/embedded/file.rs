//! The open database: opened, repaired, reopened after a failure, and made smaller.

use std::fs::File;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redb::{Builder, Database, DatabaseError, Durability, ReadableDatabase, TableError};

use super::directory::Directory;
use super::format::{FORMAT, FORMAT_KEY, Head, LOG, META, VERSIONS, corrupted};
use crate::{Error, Result, Revision};

/// Turns the data file into a database; tests put faults in between.
pub(super) type Opener = Arc<dyn Fn(&Builder, File) -> Result<Database, DatabaseError> + Send + Sync>;

/// How the file is opened.
#[derive(Clone)]
pub(super) struct FileOptions {
    pub cache_bytes: usize,
    pub quick_repair: bool,
    pub opener: Opener,
}

/// The database of one data directory. Readers share it; reopening and shrinking have it alone.
pub(super) struct StoreFile {
    options: FileOptions,
    directory: Mutex<Option<Directory>>,
    database: RwLock<Option<Database>>,
}

impl StoreFile {
    /// Opens or makes the database. The head says where it stands: revisions that may have been
    /// acknowledged and lost are skipped, and history begins anew behind them.
    pub fn open(directory: Directory, options: FileOptions) -> Result<(Self, Head)> {
        let path = directory.path().display().to_string();
        let open = |e: Error| match e {
            Error::Storage(e) | Error::Open(e) => {
                Error::Open(format!("cannot open the store in {path}: {e}"))
            }
            other => other,
        };
        let file = StoreFile { options, directory: Mutex::new(Some(directory)), database: RwLock::new(None) };
        let head = file.reopen(0).map_err(open)?;
        Ok((file, head))
    }

    /// Opens the file afresh, so that no write since the last durable commit is relied upon. With `used`,
    /// the highest revision given out so far, the store goes on above it and its history begins anew.
    pub fn reopen(&self, used: Revision) -> Result<Head> {
        let mut place = self.database.write();
        *place = None;
        let data = match &*self.directory.lock() {
            Some(directory) => directory.data_file().map_err(redb::Error::Io)?,
            None => return Err(Error::Closed),
        };
        let mut builder = Builder::new();
        builder.set_cache_size(self.options.cache_bytes);
        builder.set_repair_callback(|_| tracing::debug!("repairing the store after an unclean end"));
        let database = (self.options.opener)(&builder, data).map_err(redb::Error::from)?;
        check_format(&database)?;
        let stored = read_head(&database)?;
        let head = after_unclean_end(stored, used);
        if head != stored {
            tracing::info!(revision = head.revision, "the store continues after an unclean end");
            write_head(&database, &head, self.options.quick_repair)?;
        }
        *place = Some(database);
        Ok(head)
    }

    /// Works on the database, which other readers may do at the same time.
    pub fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        match &*self.database.read() {
            Some(database) => work(database),
            None if self.directory.lock().is_none() => Err(Error::Closed),
            None => Err(Error::Storage("the file could not be opened again after a failure".into())),
        }
    }

    /// A write transaction with this store's settings.
    pub fn begin(&self, database: &Database) -> Result<redb::WriteTransaction> {
        begin(database, self.options.quick_repair)
    }

    /// Length of the data file in bytes; 0 once closed.
    pub fn bytes(&self) -> Result<u64> {
        match &*self.directory.lock() {
            Some(directory) => Ok(directory.data_bytes().map_err(redb::Error::Io)?),
            None => Ok(0),
        }
    }

    /// Moves pages to the front of the file and cuts it. Waits for readers and keeps new ones waiting.
    pub fn shrink(&self) -> Result<()> {
        match &mut *self.database.write() {
            Some(database) => database.compact().map(drop).map_err(|e| redb::Error::from(e).into()),
            None => Ok(()),
        }
    }

    /// Closes the database and lets go of the directory.
    pub fn close(&self) {
        *self.database.write() = None;
        *self.directory.lock() = None;
    }
}

impl std::fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreFile").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The head to go on from, given the stored one and the highest revision known to be used.
fn after_unclean_end(stored: Head, used: Revision) -> Head {
    let floor = stored.reserved.max(used);
    if floor <= stored.revision && used == 0 {
        return stored;
    }
    // Revisions up to the floor may have been seen by someone and be gone, so none may come again, and
    // nobody may continue from one.
    let revision = floor.max(stored.revision);
    Head { revision, reserved: revision, oldest: revision, ..stored }
}

fn begin(database: &Database, quick_repair: bool) -> Result<redb::WriteTransaction> {
    let mut txn = database.begin_write().map_err(redb::Error::from)?;
    txn.set_quick_repair(quick_repair);
    Ok(txn)
}

/// Makes the tables of a new file; refuses a file of a newer program.
fn check_format(database: &Database) -> Result<()> {
    let stored = match database.begin_read().map_err(redb::Error::from)?.open_table(META) {
        Ok(meta) => meta.get(FORMAT_KEY).map_err(redb::Error::from)?.map(|v| v.value().to_vec()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(redb::Error::from(error).into()),
    };
    let Some(stored) = stored else { return Ok(create_tables(database)?) };
    let found =
        stored.try_into().map(u64::from_le_bytes).map_err(|_| corrupted("the format is no number"))?;
    if found <= FORMAT {
        return Ok(());
    }
    Err(Error::Open(format!(
        "the data was written in format {found}, and this program knows formats up to {FORMAT}; \
         use the newer program, or restore a backup made by this one"
    )))
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(META)?.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
    txn.open_table(VERSIONS)?;
    txn.open_table(LOG)?;
    Ok(txn.commit()?)
}

fn read_head(database: &Database) -> Result<Head> {
    let txn = database.begin_read().map_err(redb::Error::from)?;
    Ok(Head::read(&txn.open_table(META).map_err(redb::Error::from)?)?)
}

fn write_head(database: &Database, head: &Head, quick_repair: bool) -> Result<()> {
    let mut txn = begin(database, quick_repair)?;
    txn.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
    head.write(&mut txn.open_table(META).map_err(redb::Error::from)?)?;
    txn.commit().map_err(redb::Error::from)?;
    Ok(())
}

impl From<redb::Error> for Error {
    fn from(error: redb::Error) -> Self {
        Error::Storage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(revision: Revision, reserved: Revision, oldest: Revision) -> Head {
        Head { revision, reserved, oldest, ..Head::empty() }
    }

    #[test]
    fn after_an_unclean_end_no_revision_comes_again() {
        let cases = [
            ("clean, or only durable writes", head(9, 9, 3), 0, head(9, 9, 3)),
            ("reserved long ago", head(9, 5, 3), 0, head(9, 5, 3)),
            ("relaxed writes may be lost", head(9, 4096, 3), 0, head(4096, 4096, 4096)),
            ("a failed group used revisions", head(9, 9, 3), 12, head(12, 12, 12)),
            ("a failed group is there after all", head(12, 9, 3), 12, head(12, 12, 12)),
            ("both", head(9, 4096, 3), 12, head(4096, 4096, 4096)),
        ];
        for (name, stored, used, want) in cases {
            assert_eq!(after_unclean_end(stored, used), want, "{name}");
        }
    }
}
