//! The commands that generated streams are made of.
//!
//! One line is one command; `!mask` in front names the mask its reply needs. Placeholders: a key
//! of a kind (`$s`tring, `$l`ist, `$h`ash, se`$t`, `$z`set, strea`$x`, `$b`its, `$g`eo, h`$y`ll),
//! or any of them (`$k`), `$v`alue, `$m`ember, `$i`nteger, `$n`umber not below 0, `$f`loat, `$c`hannel.

pub(super) const STRINGS: &[&str] = &[
    "SET $s $v", "SET $s $v", "SET $s $v NX", "SET $s $v XX GET", "SET $s $v EX 1000", "SET $s $v EX 0",
    "SET $s $v NX XX", "SETNX $s $v", "SETEX $s 1000 $v", "PSETEX $s 1000000 $v", "GET $s", "GET $s",
    "GET $k", "GETSET $s $v", "GETDEL $s", "GETEX $s PERSIST", "GETRANGE $s $i $i", "SUBSTR $s 0 -1",
    "SETRANGE $s $n $v", "APPEND $s $v", "STRLEN $s", "INCR $s", "DECR $s", "INCRBY $s $i",
    "DECRBY $s $i", "INCRBYFLOAT $s $f", "MSET $s $v $s $v", "MSETNX $s $v $s $v", "MGET $s $s $k",
    "MSET $s", "GET", "GET $s $s", "SETBIT $b $n 1", "SETBIT $b $n 2", "GETBIT $b $n", "BITCOUNT $b",
    "BITCOUNT $b 0 -1 BIT", "BITPOS $b 1", "BITOP XOR $b $b $b", "BITOP NOT $b $b $b",
    "BITFIELD $b SET u8 0 $n INCRBY i5 100 1 GET u4 0", "BITFIELD_RO $b GET u8 0",
    "BITFIELD $b OVERFLOW FAIL INCRBY u2 100 3", "PFADD $y $m $m", "PFCOUNT $y", "PFMERGE $y $y",
];

pub(super) const LISTS: &[&str] = &[
    "LPUSH $l $v $v", "RPUSH $l $v", "RPUSH $l $v $v $v", "LPUSHX $l $v", "RPUSHX $l $v", "LPOP $l",
    "RPOP $l", "LPOP $l $n", "RPOP $l $i", "LRANGE $l 0 -1", "LRANGE $l $i $i", "LLEN $l",
    "LINDEX $l $i", "LSET $l $i $v", "LINSERT $l BEFORE $m $v", "LREM $l $i $m", "LTRIM $l 0 9",
    "LPOS $l $m", "LPOS $l $m COUNT 0", "LMOVE $l $l LEFT RIGHT", "RPOPLPUSH $l $l",
    "LMPOP 2 $l $l LEFT COUNT 2", "RPUSH $l $m $m", "LPUSH $l", "SORT $l ALPHA", "SORT $l",
    "SORT $l BY nosort GET # LIMIT 0 3", "SORT $l ALPHA DESC STORE $l", "SORT_RO $l ALPHA",
];

pub(super) const HASHES: &[&str] = &[
    "HSET $h $m $v", "HSET $h $m $v $m $v", "HSET $h $m", "HMSET $h $m $v", "HSETNX $h $m $v",
    "HGET $h $m", "HMGET $h $m $m $m", "!order HGETALL $h", "!order HKEYS $h", "!order HVALS $h",
    "HLEN $h", "HSTRLEN $h $m", "HEXISTS $h $m", "HDEL $h $m $m", "HINCRBY $h n $i",
    "HINCRBYFLOAT $h n $f", "!order HSCAN $h 0 COUNT 1000", "!random HRANDFIELD $h 2",
    "HRANDFIELD $h -0", "HINCRBY $h $m x",
];

pub(super) const SETS: &[&str] = &[
    "SADD $t $m $m $m", "SADD $t $v", "SADD $t $i $n", "SREM $t $m", "SCARD $t", "SISMEMBER $t $m",
    "SMISMEMBER $t $m $m", "!order SMEMBERS $t", "!order SINTER $t $t", "!order SUNION $t $t",
    "!order SDIFF $t $t", "SINTERSTORE $t $t $t", "SUNIONSTORE $t $t $t", "SDIFFSTORE $t $t $t",
    "SINTERCARD 2 $t $t LIMIT 2", "SMOVE $t $t $m", "!order SPOP $t 1000", "!random SRANDMEMBER $t",
    "!order SSCAN $t 0 COUNT 1000", "SINTERCARD 0 $t", "SADD $t", "!order SORT $t BY nosort",
];

pub(super) const ZSETS: &[&str] = &[
    "ZADD $z $f $m", "ZADD $z $i $m $f $m", "ZADD $z NX CH $f $m", "ZADD $z XX INCR $f $m",
    "ZADD $z inf $m -inf $m", "ZADD $z nan $m", "ZINCRBY $z $f $m", "ZSCORE $z $m", "ZMSCORE $z $m $m",
    "ZCARD $z", "ZCOUNT $z -inf +inf", "ZRANK $z $m", "ZREVRANK $z $m", "ZRANGE $z 0 -1",
    "ZRANGE $z 0 -1 WITHSCORES", "ZRANGE $z 0 -1 REV WITHSCORES", "ZRANGE $z (1 5 BYSCORE",
    "ZRANGE $z - + BYLEX", "ZREVRANGE $z 0 -1 WITHSCORES", "ZRANGEBYSCORE $z -inf +inf WITHSCORES",
    "ZRANGEBYSCORE $z $f $f LIMIT 0 2", "ZRANGEBYLEX $z [a (b", "ZLEXCOUNT $z - +", "ZREM $z $m",
    "ZREMRANGEBYRANK $z 5 9", "ZREMRANGEBYSCORE $z 90 91", "ZPOPMIN $z", "ZPOPMAX $z 2",
    "ZMPOP 2 $z $z MIN", "ZUNIONSTORE $z 2 $z $z WEIGHTS 1 2", "ZINTERSTORE $z 2 $z $z AGGREGATE MAX",
    "ZUNION 2 $z $z WITHSCORES", "ZINTER 2 $z $z", "ZDIFF 2 $z $z WITHSCORES", "ZINTERCARD 2 $z $z",
    "ZRANGESTORE $z $z 0 3", "!random ZRANDMEMBER $z 2 WITHSCORES", "ZSCAN $z 0 COUNT 1000",
    "GEOADD $g 13.361389 38.115556 $m", "GEOADD $g 15.087269 37.502669 $m", "GEOADD $g 999 1 $m",
    "GEODIST $g $m $m km", "GEOPOS $g $m $m", "GEOHASH $g $m",
    "GEOSEARCH $g FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHCOORD WITHDIST WITHHASH",
];

pub(super) const STREAMS: &[&str] = &[
    "XADD $x 1-$n a $v", "XADD $x 2-$n a $v b $m", "XADD $x 0-0 a b", "!clock XADD d:clock * a 1",
    "XDEL $x 1-$n", "XLEN $x", "XRANGE $x 1-0 3", "XREVRANGE $x 3 1 COUNT 3", "XTRIM $x MAXLEN 5",
    "XREAD COUNT 2 STREAMS $x 0", "XREAD COUNT 1 BLOCK 1 STREAMS $x 3-0", "XREAD STREAMS $x $x 0 0",
    "XREAD STREAMS $x", "XGROUP CREATE $x g 0 MKSTREAM", "XGROUP CREATE $x g $", "XGROUP DESTROY $x g",
    "XGROUP CREATECONSUMER $x g one", "XREADGROUP GROUP g one COUNT 1 STREAMS $x >",
    "XREADGROUP GROUP g one STREAMS $x 0", "XREADGROUP GROUP nobody one STREAMS $x >",
    "XACK $x g 1-$n 2-$n", "XPENDING $x g", "!clock XPENDING $x g - + 10",
    "XCLAIM $x g two 0 1-$n", "XAUTOCLAIM $x g two 0 0 COUNT 3", "!clock XINFO STREAM $x",
    "XINFO GROUPS $x", "!clock XINFO CONSUMERS $x g", "XSETID $x 9-9", "XADD $x",
];

pub(super) const GENERIC: &[&str] = &[
    "DEL $k $k", "UNLINK $k", "EXISTS $k $k $k", "TYPE $k", "TOUCH $k", "RENAME $s $s", "RENAMENX $k $k",
    "COPY $k $k", "COPY $k $k DB 3 REPLACE", "EXPIRE $k 1000", "EXPIRE $k 1000 NX", "EXPIREAT $k 33000000000",
    "EXPIRETIME $k", "!clock TTL $k", "!clock PTTL $k", "PERSIST $k", "OBJECT ENCODING $k",
    "OBJECT REFCOUNT $l", "!clock OBJECT IDLETIME $k", "OBJECT HELP", "OBJECT FREQ $k", "!order KEYS d:*",
    "KEYS nothing:*", "!order SCAN 0 COUNT 10000", "SCAN x", "!random RANDOMKEY", "DBSIZE", "DUMP $s",
    "RESTORE $s 0 junk", "MOVE $k 2", "SORT $k", "WAIT 0 10", "FLUSHDB", "SWAPDB 0 1", "!random DEBUG OBJECT $k",
    "PING", "PING $v", "PING a b", "ECHO $v", "TIME x", "!clock TIME", "!clock LASTSAVE", "COMMAND COUNT",
    "COMMAND INFO get nothing", "!order COMMAND LIST FILTERBY MODULE x", "COMMAND GETKEYS mset a b c d",
    "CONFIG GET maxmemory", "CONFIG GET nothing", "CONFIG SET nothing 1", "!server INFO", "!server ROLE",
    "!server INFO replication", "!server MEMORY STATS", "!server MEMORY USAGE $k", "LOLWUT VERSION 9 9",
    "ACL WHOAMI", "ACL CAT nothing", "ACL DRYRUN default get a", "!order ACL USERS", "AUTH wrong", "AUTH default wrong",
    "AUTH a b c", "NOTHING", "NOTHING $v $v", "$v $v", "$m", "OBJECT", "OBJECT NOTHING", "CLUSTER INFO",
    "READONLY", "READWRITE", "ASKING", "DEBUG SLEEP 0", "DEBUG JMAP", "PUBSUB NUMSUB d:none", "LATENCY RESET",
    "SLOWLOG RESET", "MODULE LIST", "SYNCNOTHING", "PFDEBUG GETREG $s", "REPLICAOF x", "FAILOVER ABORT",
];

pub(super) const SCRIPTS: &[&str] = &[
    "return {}", "return {1,2,{3,{4,{5,{}}}}}", "return nil", "return false", "return true",
    "return {1,nil,2}", "return {1,false,'x'}", "return {ok='fine'}", "return {err='ERR broken'}",
    "return {ok='12.5'}", "return {ok='1700000000.000001'}", "return redis.error_reply('READONLY forged')",
    "return redis.status_reply('message')", "return {'message','a','b'}", "return {'subscribe','a',1}",
    "return redis.call('SET', KEYS[1], ARGV[1])", "return redis.call('GET', KEYS[1])",
    "return redis.pcall('INCR', KEYS[1])", "return redis.call('NOTHING')", "return redis.call('LPUSH', KEYS[1], 1)",
    "return string.rep('x', 70000)", "local t={} for i=1,3000 do t[i]=i end return t", "this is no lua",
    "redis.setresp(3); return redis.call('HGETALL', KEYS[1])", "redis.setresp(3); return {map={a=1}}",
    "redis.setresp(3); return {double=1.5}", "redis.setresp(3); return {set={x=true}}",
    "redis.setresp(3); return {big_number='123456789012345678901234567890'}",
    "redis.setresp(3); return {verbatim_string={format='txt', string='hello'}}", "return 3.99", "error('boom')",
    "return {string.rep('a', 65536), string.rep('b', 65535)}", "return ARGV[1]", "return #ARGV",
    "local r = {} for i=1,200 do r = {r} end return r",
];

/// Commands on the connection itself.
pub(super) const CONNECTION: &[&str] = &[
    "CLIENT GETNAME", "CLIENT SETNAME one", "CLIENT SETNAME", "!id CLIENT ID", "!server CLIENT INFO",
    "!server CLIENT LIST", "CLIENT NO-EVICT on", "CLIENT NO-EVICT off", "CLIENT TRACKINGINFO",
    "CLIENT GETREDIR", "CLIENT NOTHING", "CLIENT", "CLIENT REPLY", "CLIENT REPLY NOTHING", "CLIENT CACHING YES",
    "CLIENT UNBLOCK 999999", "CLIENT KILL ID 999999", "CLIENT NO-TOUCH on", "CLIENT SETINFO lib-name x",
    "SELECT 1", "SELECT 2", "SELECT 0", "SELECT 99", "SELECT x", "SELECT", "EXEC", "DISCARD", "UNWATCH",
    "EXEC x", "DISCARD x", "MULTI x", "RESET x", "MONITOR x", "WATCH", "SUBSCRIBE", "PSUBSCRIBE", "HELLO x",
    "HELLO 4", "HELLO", "HELLO 3 AUTH default wrong", "HELLO 3 SETNAME", "HELLO 2 NOTHING", "QUIT-NOT",
    "CLIENT UNPAUSE", "DEBUG SET-ACTIVE-EXPIRE 1",
];

pub(super) const BLOCKING: &[&str] = &[
    "BLPOP $l 0.01", "BRPOP $l $l 0.01", "BLMOVE $l $l LEFT LEFT 0.01", "BRPOPLPUSH $l $l 0.01",
    "BLMPOP 0.01 2 $l $l LEFT", "BZPOPMIN $z 0.01", "BZPOPMAX $z $z 0.01", "BZMPOP 0.01 1 $z MAX",
    "XREAD BLOCK 5 STREAMS $x 9-99", "XREADGROUP GROUP g one BLOCK 5 STREAMS $x >", "BLPOP $l -1", "BLPOP $l x",
    "BLPOP $k 0.01", "WAIT 1 5",
];

/// The types that DEBUG PROTOCOL can show.
pub(super) const PROTOCOL: &[&str] = &[
    "DEBUG PROTOCOL STRING", "DEBUG PROTOCOL INTEGER", "DEBUG PROTOCOL DOUBLE", "DEBUG PROTOCOL NULL",
    "DEBUG PROTOCOL ARRAY", "DEBUG PROTOCOL SET", "DEBUG PROTOCOL MAP", "DEBUG PROTOCOL ATTRIB",
    "DEBUG PROTOCOL PUSH", "DEBUG PROTOCOL VERBATIM", "DEBUG PROTOCOL TRUE", "DEBUG PROTOCOL FALSE",
    "DEBUG PROTOCOL BIGNUM", "DEBUG PROTOCOL NOTHING",
];
