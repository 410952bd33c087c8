//! Users and groups of an image, as its `/etc/passwd` and `/etc/group` say. These files are the image's, so
//! they may hold anything.

/// As whom a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups, with its own first.
    pub groups: Vec<u32>,
    /// Its home directory.
    pub home: String,
}

/// What is asked for: see [`corten_pod::protocol::User`].
pub type Wanted = corten_pod::protocol::User;

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn entries(passwd: &str) -> impl Iterator<Item = Entry<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Entry { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
    })
}

/// Name, id and members of each group.
fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

/// Who `wanted` is. An error is a text for a person.
pub fn resolve(wanted: &Wanted, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, user_group) = match wanted.name.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (wanted.name.as_str(), None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number = user.parse::<u32>().ok();
    // A name of digits is a number first of all, but a user may be called so.
    let entry = entries(passwd)
        .find(|entry| entry.name == user)
        .or_else(|| entries(passwd).find(|entry| Some(entry.uid) == number));
    let uid = match (&entry, number) {
        (Some(entry), _) => entry.uid,
        (None, Some(number)) if number <= i32::MAX as u32 => number,
        (None, Some(_)) => return Err("uids and gids must be in range 0-2147483647".to_owned()),
        (None, None) => {
            return Err(format!("unable to find user {user}: no matching entries in passwd file"));
        }
    };
    let gid = match (wanted.gid, user_group.filter(|name| !name.is_empty())) {
        (Some(gid), _) => gid,
        (None, Some(name)) => group_of(name, group)?,
        (None, None) => entry.as_ref().map_or(0, |entry| entry.gid),
    };
    let mut all = vec![gid];
    let mut add = |gid: u32| {
        if !all.contains(&gid) {
            all.push(gid);
        }
    };
    if wanted.image_groups
        && let Some(entry) = &entry
    {
        groups(group)
            .filter(|(_, _, members)| members.split(',').any(|member| member.trim() == entry.name))
            .for_each(|(_, gid, _)| add(gid));
    }
    wanted.groups.iter().copied().for_each(&mut add);
    let home = entry.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned();
    Ok(Identity { uid, gid, groups: all, home })
}

fn group_of(name: &str, group: &str) -> Result<u32, String> {
    groups(group)
        .find(|(known, ..)| *known == name)
        .map(|(_, gid, _)| gid)
        .or_else(|| name.parse::<u32>().ok().filter(|gid| *gid <= i32::MAX as u32))
        .ok_or_else(|| format!("unable to find group {name}: no matching entries in group file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nweb:x:101:102::/var/www:/bin/sh\n\
                          nohome:x:7:8\n1234:x:55:56::/digits:\n";
    const GROUP: &str = "root:x:0:\nwww:x:102:\nlog:x:200:web,other\nboth:x:201: web\nlog:x:200:web\n";

    #[test]
    fn users_are_found() {
        let image = |name: &str| Wanted { name: name.into(), image_groups: true, ..Wanted::default() };
        for (name, uid, gid, groups, home) in [
            ("", 0, 0, vec![0], "/root"),
            ("web", 101, 102, vec![102, 200, 201], "/var/www"),
            ("101", 101, 102, vec![102, 200, 201], "/var/www"),
            ("web:log", 101, 200, vec![200, 201], "/var/www"),
            ("web:77", 101, 77, vec![77, 200, 201], "/var/www"),
            ("nohome", 7, 8, vec![8], "/"),
            ("999", 999, 0, vec![0], "/"),
            ("999:", 999, 0, vec![0], "/"),
            ("1234", 55, 56, vec![56], "/digits"),
        ] {
            let found = resolve(&image(name), PASSWD, GROUP);
            assert_eq!(found, Ok(Identity { uid, gid, groups, home: home.into() }), "{name}");
        }
    }

    #[test]
    fn what_is_given_beside_the_name_counts() {
        let wanted = Wanted { name: "web".into(), gid: Some(5), groups: vec![9, 5], image_groups: false };
        let found = resolve(&wanted, PASSWD, GROUP).unwrap();
        assert_eq!((found.gid, found.groups), (5, vec![5, 9]));
    }

    #[test]
    fn strangers_are_refused() {
        for (name, text) in [
            ("foo", "unable to find user foo: no matching entries in passwd file"),
            ("web:foo", "unable to find group foo: no matching entries in group file"),
            ("4294967295", "uids and gids must be in range 0-2147483647"),
        ] {
            let wanted = Wanted { name: name.into(), ..Wanted::default() };
            assert_eq!(resolve(&wanted, PASSWD, GROUP), Err(text.to_owned()));
        }
    }
}
