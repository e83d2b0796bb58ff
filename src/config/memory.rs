//! How much memory this process may use, as its control group says: version 2 (`memory.max`), else
//! version 1 (`memory.limit_in_bytes`). Files come in as a function, so that nothing here depends on
//! the machine it runs on.

use std::path::{Path, PathBuf};

/// Reads a file whole; none where there is none.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

const GROUPS: &str = "/proc/self/cgroup";
const MOUNT: &str = "/sys/fs/cgroup";

/// The least limit of this process's control group and those around it; none where none is set.
pub fn memory_limit() -> Option<u64> {
    limit(&|path| std::fs::read_to_string(path).ok())
}

fn limit(read: Read<'_>) -> Option<u64> {
    let groups = read(Path::new(GROUPS))?;
    // `0::/path` in version 2, `4:memory:/path` in version 1.
    let lines = groups.lines().filter_map(|line| line.split_once(':'));
    let named: Vec<_> = lines.filter_map(|(_, rest)| rest.split_once(':')).collect();
    let unified = named.iter().find(|(controllers, _)| controllers.is_empty());
    let memory = named
        .iter()
        .find(|(controllers, _)| controllers.split(',').any(|it| it == "memory"));
    let second = unified.and_then(|(_, group)| least(read, MOUNT, group, "memory.max"));
    second.or_else(|| {
        let mount = format!("{MOUNT}/memory");
        memory.and_then(|(_, group)| least(read, &mount, group, "memory.limit_in_bytes"))
    })
}

/// The least of the group's own limit and of those it is in. Within a container the path is often the
/// host's, and its own group is at the mount: that is among those.
fn least(read: Read<'_>, mount: &str, group: &str, file: &str) -> Option<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    let paths = group
        .ancestors()
        .map(|part| PathBuf::from(mount).join(part));
    let texts = paths.filter_map(|path| read(&path.join(file)));
    // `max` is no limit.
    texts.filter_map(|text| text.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: Option<u64>) {
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(limit(&read), expected, "{files:?}");
    }

    #[test]
    fn the_least_limit_around_the_process_counts() {
        check(
            &[
                (GROUPS, "0::/a/b\n"),
                ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("/sys/fs/cgroup/a/memory.max", "1000\n"),
                ("/sys/fs/cgroup/memory.max", "2000\n"),
            ],
            Some(1000),
        );
        check(
            &[
                (GROUPS, "0::/\n"),
                ("/sys/fs/cgroup/memory.max", "67108864\n"),
            ],
            Some(67_108_864),
        );
    }

    #[test]
    fn the_first_version_is_asked_where_the_second_says_nothing() {
        let groups = "5:cpu,cpuacct:/c\n4:memory:/kubepods/x\n0::/\n";
        let limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        check(&[(GROUPS, groups), (limit, "4096\n")], Some(4096));
        let own = "/sys/fs/cgroup/memory/kubepods/x/memory.limit_in_bytes";
        check(
            &[(GROUPS, groups), (limit, "4096"), (own, "2048")],
            Some(2048),
        );
    }

    #[test]
    fn no_limit_is_none() {
        check(&[], None);
        check(
            &[(GROUPS, "0::/\n"), ("/sys/fs/cgroup/memory.max", "max\n")],
            None,
        );
        check(&[(GROUPS, "nonsense")], None);
    }
}
