#!/usr/bin/env python3
"""Checks the conformance vectors with an implementation of its own.

Written from docs/protocol.md; shares no code with Entente.
Needs: pip install cbor2 blake3 pynacl. Ends with 0 when everything fits.
"""

import base64
import hashlib
import json
import pathlib
import sys

import cbor2
from blake3 import blake3
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

HERE = pathlib.Path(__file__).parent
checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        sys.exit(f"verify: {what}: found {found!r}, expected {expected!r}")


def load(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


# --- hashes, ids, canonical CBOR, signatures ------------------------------------------------------


def digest(domain, *parts):
    return blake3(domain.encode() + b"\0" + b"".join(parts)).digest()


def id_text(prefix, raw):
    return prefix + base64.b32encode(raw).decode().rstrip("=").lower()


def decode(raw):
    """One canonical CBOR value of arrays, or an error."""
    value = cbor2.loads(raw)
    same("canonical CBOR", cbor2.dumps(value), raw)
    return value


def signed(key, domain, what, signature):
    try:
        VerifyKey(key).verify(domain.encode() + b"\0" + what, signature)
        return True
    except BadSignatureError:
        return False


def org_id(party):
    return digest("entente/org/1", party[1], party[2])


def log_id(node, compartment, epoch):
    return digest("entente/log/1", node, compartment, epoch)


# --- statements and grants ------------------------------------------------------------------------

KINDS = ["profile", "certificate", "rotation", "end of a node", "share", "compartment", "admission",
         "retirement", "grant", "revocation", "cut", "erasure", "receipt"]


def statement(raw):
    inner, signature = decode(raw)
    author, key, at, (kind, fields) = decode(inner)
    id_ = digest("entente/statement/1", inner)
    same("a statement's signature", signed(key, "entente/statement/1", id_, signature), True)
    return {"id": id_, "author": author, "key": key, "at": at, "kind": KINDS[kind], "is": fields}


def chain_verdict(share, grants):
    """The first rule that the chain breaks, root first; ok if none."""
    above, ends = None, None
    for grant in grants:
        of, section, to, (sort, scope), parent, depth, expires, _ = grant["is"]
        kind, fields, edit, keep = scope
        if to[0] != org_id(to):
            return "party"
        if to[0] == grant["author"]:
            return "to_self"
        if to[0] == section:
            return "to_publisher"
        if not fields or fields != sorted(set(fields), key=str.encode):
            return "list"
        if above is None:
            if parent is not None or grant["author"] != section or of != share["id"]:
                return "not_publisher"
        else:
            upper = above["is"]
            upper_kind, upper_fields, upper_edit, upper_keep = upper[3][1]
            if parent != above["id"]:
                return "missing"
            if grant["author"] != upper[2][0]:
                return "issuer"
            if of != upper[0]:
                return "chain_share"
            if section != upper[1]:
                return "chain_section"
            if sort != upper[3][0]:
                return "chain_mixed"
            if kind != upper_kind:
                return "chain_kind"
            if not set(fields) <= set(upper_fields):
                return "wider_fields"
            if edit and not upper_edit:
                return "wider_edit"
            if keep and not upper_keep:
                return "wider_keep"
            if upper[5] == 0:
                return "not_passable"
            if depth >= upper[5]:
                return "wider_depth"
            if ends is not None and expires is not None and expires > ends:
                return "later_expiry"
        if expires is not None:
            ends = expires if ends is None else min(ends, expires)
        above = grant
    return "ok"


# --- bundles --------------------------------------------------------------------------------------


def leaf_hash(leaf):
    tag, (record, turn, *rest) = leaf
    body = digest("entente/body/1", *rest) if tag == 0 else rest[0]
    return digest("entente/leaf/1", record, turn.to_bytes(4, "big"), body)


def bundle(raw):
    header, signature, leaves = decode(raw)
    compartment, author, node, epoch, seq, prev, grant, number, at, count, root = header
    same("a bundle's leaf count", len(leaves), count)
    same("a bundle's root", digest("entente/root/1", *map(leaf_hash, leaves)), root)
    id_ = digest("entente/bundle/1", cbor2.dumps(header))
    same("a bundle's signature", signed(node, "entente/bundle/1", id_, signature), True)
    return {"id": id_, "log": log_id(node, compartment, epoch), "root": root, "seq": seq,
            "prev": prev, "compartment": compartment, "leaves": leaves}


# --- changes: the automerge chunk format, written canonically -------------------------------------

GENESIS = b"entente/genesis1"
TEXT, SET, COUNTER = 5, 6, 7


def uleb(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def sleb(n):
    out = bytearray()
    while not -64 <= n < 64:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n & 0x7F])


def lead(raw):
    return uleb(len(raw)) + raw


def runs(rows, write):
    if all(row is None for row in rows):
        return b""
    out, at = b"", 0
    while at < len(rows):
        end = at
        while end < len(rows) and rows[end] == rows[at]:
            end += 1
        if rows[at] is None:
            out += sleb(0) + uleb(end - at)
        elif end - at > 1:
            out += sleb(end - at) + write(rows[at])
        else:
            while end < len(rows) and rows[end] is not None and rows[end:end + 1] != rows[end + 1:end + 2]:
                end += 1
            out += sleb(at - end) + b"".join(map(write, rows[at:end]))
        at = end
    return out


def deltas(rows):
    out, last = [], 0
    for row in rows:
        out.append(None if row is None else row - last)
        last = last if row is None else row
    return runs(out, sleb)


def booleans(rows):
    out, last, count = b"", False, 0
    for row in rows:
        if row != last:
            out, last, count = out + uleb(count), row, 0
        count += 1
    return out + uleb(count) if count else out


def op(key, action, kind=0, raw=b"", obj=None, insert=False, preds=()):
    """`key` is a name, 0 for the head of a text, or (actor, counter) of an element."""
    return {"key": key, "action": action, "meta": len(raw) << 4 | kind, "raw": raw, "obj": obj,
            "insert": insert, "preds": list(preds)}


def columns(ops):
    def name(o):
        return o["key"].encode() if isinstance(o["key"], str) else None

    def element(o, part):
        return o["key"][part] if isinstance(o["key"], tuple) else None

    def counter(o):
        return 0 if o["key"] == 0 else element(o, 1)

    preds = [pred for o in ops for pred in o["preds"]]
    return [
        (0x01, runs([o["obj"] and o["obj"][0] for o in ops], uleb)),
        (0x02, runs([o["obj"] and o["obj"][1] for o in ops], uleb)),
        (0x11, runs([element(o, 0) for o in ops], uleb)),
        (0x13, deltas([counter(o) for o in ops])),
        (0x15, runs([name(o) for o in ops], lead)),
        (0x34, booleans([o["insert"] for o in ops])),
        (0x42, runs([o["action"] for o in ops], uleb)),
        (0x56, runs([o["meta"] for o in ops], uleb)),
        (0x57, b"".join(o["raw"] for o in ops)),
        (0x70, runs([len(o["preds"]) for o in ops], uleb)),
        (0x71, runs([pred[0] for pred in preds], uleb)),
        (0x73, deltas([pred[1] for pred in preds])),
    ]


def chunk(deps, actor, seq, start_op, others, ops):
    data = [(spec, raw) for spec, raw in columns(ops) if raw]
    body = uleb(len(deps)) + b"".join(deps) + lead(actor) + uleb(seq) + uleb(start_op)
    body += sleb(0) + lead(b"") + uleb(len(others)) + b"".join(map(lead, others))
    body += uleb(len(data)) + b"".join(uleb(spec) + uleb(len(raw)) for spec, raw in data)
    framed = b"\x01" + lead(body + b"".join(raw for _, raw in data))
    hash_ = hashlib.sha256(framed).digest()
    return hash_, b"\x85\x6f\x4a\x83" + hash_[:4] + framed


def made_by_genesis(fields):
    made = [f for f in sorted(fields, key=lambda f: f["name"].encode()) if f["shape"] >= TEXT]
    return {f["name"]: (f["shape"], place + 1) for place, f in enumerate(made)}


def genesis(fields):
    make = {TEXT: (4,), SET: (0,), COUNTER: (1, 8, sleb(0))}
    ops = [op(name, *make[shape]) for name, (shape, _) in made_by_genesis(fields).items()]
    return chunk([], GENESIS, 1, 1, [], ops)


def first_change(fields, log, values):
    made = made_by_genesis(fields)
    start_op, ops = len(made) + 1, []
    scalars = {"int": (4, sleb), "instant": (9, sleb), "str": (6, str.encode), "json": (7, str.encode)}
    for name in sorted(values, key=str.encode):
        (sort, value), = values[name].items()
        container = (1, made[name][1]) if name in made else None
        if sort == "bool":
            ops.append(op(name, 1, 2 if value else 1))
        elif sort in scalars:
            kind, write = scalars[sort]
            ops.append(op(name, 1, kind, write(value)))
        elif sort == "counter":
            ops.append(op(name, 5, 4, sleb(value), preds=[container]))
        elif sort == "set":
            for item in sorted(value, key=str.encode):
                ops.append(op(item, 1, 2, obj=container))
        elif sort == "text":
            key = 0
            for char in value:
                ops.append(op(key, 1, 6, char.encode(), obj=container, insert=True))
                key = (0, start_op + len(ops) - 1)
    others = [GENESIS] if any(o["obj"] or o["preds"] for o in ops) else []
    return chunk([genesis(fields)[0]], log[:16] + bytes(4), 1, start_op, others, ops)


def refusal(raw, log):
    """The checks of a chunk that need neither schema nor ancestors; none if they all pass."""
    if raw[:4] != b"\x85\x6f\x4a\x83":
        return "magic"
    if raw[8] != 1:
        return "chunk-type"

    def number(at):
        n = shift = 0
        while True:
            n |= (raw[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if raw[at - 1] < 0x80:
                return n, at

    length, body = number(9)
    if length != len(raw) - body:
        return "length"
    count, at = number(body)
    length, at = number(at + 32 * count)
    if length != 20 or raw[at:at + 16] != log[:16]:
        return "foreign-actor"
    if raw[4:8] != hashlib.sha256(raw[8:]).digest()[:4]:
        return "checksum"
    return None


# --- the files ------------------------------------------------------------------------------------


def check_ids():
    v = load("ids.json")
    b = bytes.fromhex
    root = SigningKey(b(v["root_seed"])).verify_key.encode()
    successor = SigningKey(b(v["successor_seed"])).verify_key.encode()
    commitment = digest("entente/successor/1", successor)
    same("root", root.hex(), v["root"])
    same("commitment", commitment.hex(), v["successor_commitment"])
    org = digest("entente/org/1", root, commitment)
    same("org id", org.hex(), v["org"]["bytes"])
    for name, prefix in [("org", "org_"), ("share", "shr_"), ("grant", "grt_")]:
        same(name, id_text(prefix, b(v[name]["bytes"])), v[name]["text"])
    prefixes = ["evt_", "cus_", "par_", "int_", "fup_"]
    for text in v["record"]["texts"]:
        same(text["name"], id_text(prefixes[text["kind"]], b(v["record"]["bytes"])), text["text"])
    for book in v["books"]:
        found = digest("entente/book/1", org, bytes([book["kind"]]))
        same("book", found.hex(), book["compartment"])
    log = v["log"]
    parts = (b(log[part]) for part in ("node", "compartment", "epoch"))
    same("log id", log_id(*parts).hex(), log["id"])


def check_statements():
    v = load("statements.json")
    seen = set()
    for expected in v["statements"]:
        found = statement(bytes.fromhex(expected["bytes"]))
        seen.add(found["kind"])
        same("author", found["author"].hex(), expected["author"])
        same("key", found["key"].hex(), expected["key"])
        same("id", id_text("st_", found["id"]), expected["id"])
        same("time", [found["at"] >> 16, found["at"] & 0xFFFF],
             [expected["millis"], expected["counter"]])
        if found["kind"] == "rotation":
            root, successor, keeps, countersignature = found["is"]
            same("new root", root.hex(), v["rotated_to"])
            same("its commitment", successor.hex(), v["next_commitment"])
            what = digest("entente/rotation-body/1", found["author"], found["key"], root, successor,
                          b"".join(keeps))
            same("countersignature",
                 signed(root, "entente/rotation/1", what, countersignature), True)
        if found["kind"] in ("profile", "certificate"):
            same("party", org_id(found["is"][0]), found["author"])
        if found["kind"] == "compartment":
            fields = [{"name": name, "shape": shape} for name, shape in found["is"][2]]
            same("genesis", genesis(fields)[0], found["is"][4])
    same("kinds of statements", seen, set(KINDS))


def check_grants():
    for case in load("grants.json")["chains"]:
        grants = [statement(bytes.fromhex(raw)) for raw in case["grants"]]
        found = chain_verdict(statement(bytes.fromhex(case["share"])), grants)
        same(case["name"], found, case["verdict"])


def check_bundles():
    opened = []
    for expected in load("bundles.json")["bundles"]:
        found = bundle(bytes.fromhex(expected["bytes"]))
        for part in ("id", "log", "root"):
            same(part, found[part].hex(), expected[part])
        opened.append(found)
    same("redaction keeps the id", opened[0]["id"], opened[1]["id"])
    same("the log goes on", (opened[2]["prev"], opened[2]["seq"]), (opened[0]["id"], 1))


def check_facets():
    v = load("facets.json")
    log = bytes.fromhex(v["log"])
    for case in v["cases"]:
        same(case["name"], genesis(case["fields"])[0].hex(), case["genesis"])
        _, raw = first_change(case["fields"], log, case["values"])
        same(case["name"], raw.hex(), case["first_change"])
        same(case["name"], refusal(raw, log), None)
    for case in v["refused"]:
        same("refused", refusal(bytes.fromhex(case["bytes"]), log), case["code"])


def heights_digest(heights):
    return digest("entente/heights/1",
                  *(log + height.to_bytes(8, "big") + head for _, log, height, head in heights))


def check_frames():
    v = load("frames.json")
    frames = [decode(bytes.fromhex(frame["bytes"])) for frame in v["frames"]]
    same("kinds of frames", {frame[0] for frame in frames}, set(range(21)))
    headers = next(frame for frame in frames if frame[0] == 16)[1][0]
    proof = [(digest("entente/bundle/1", cbor2.dumps(header)), header, signature)
             for header, signature in (headers[:2], headers[2:])]
    same("a fork's places", proof[0][1][:5], proof[1][1][:5])
    same("a fork's order", proof[0][0] < proof[1][0], True)
    for id_, header, signature in proof:
        same("a fork's signature", signed(header[2], "entente/bundle/1", id_, signature), True)
    heights = next(frame for frame in frames if frame[0] == 10)[1][2]
    same("digest of heights", heights_digest(heights).hex(), v["digest"])


def check_plans():
    for case in load("plans.json")["cases"]:
        rules = {rule["grant"]: rule for rule in case["rules"]}
        fields = {field for rule in rules.values() for field in rule["fields"]}
        classes = {}
        for field in sorted(fields):
            named = frozenset((g, r["edit"]) for g, r in rules.items() if field in r["fields"])
            classes.setdefault(named, []).append(field)
        for record in case["records"]:
            def reached(grant):
                parent = rules[grant]["parent"]
                return grant in record["selected_by"] and (parent is None or reached(parent))

            slots = []
            for named, of in classes.items():
                grants = sorted(grant for grant, _ in named if reached(grant))
                if grants:
                    slots.append({"fields": of, "grants": grants})
            slots.sort(key=lambda slot: slot["fields"])
            same(case["name"], slots, record["slots"])


def check_pairing(v, frames):
    """The invite line and the frames until both have stored the pairing."""
    line = v["invite_line"].removeprefix("entente1").upper()
    line = decode(base64.b32decode(line + "=" * (-len(line) % 8)))
    org, _, node, _, invite, secret, _ = line
    same("inviter", [org.hex(), node.hex()], [v["orgs"][0], v["nodes"][0]])
    gates = {to: frame for to, frame in frames if frame[0] == 0}
    parties = {}
    for to, (_, (certificate, _, _)) in gates.items():
        said = statement(certificate)
        same("certified node", said["is"][1].hex(), v["nodes"][1 - to])
        parties[1 - to] = said["is"][0]
    newcomer = bytes.fromhex(v["nodes"][1])
    _, (shown, mac, commitment, _) = gates[0][1][2]
    key = digest("entente/invite-secret/1", secret)
    text = b"entente/invite-mac/1\0" + org + node + parties[1][0] + newcomer
    same("invite", shown, invite)
    same("proof of the invite", blake3(text, key=key).digest(), mac)
    theirs = next(frame for _, frame in frames if frame[0] == 1)[1][0]
    ours = next(frame for _, frame in frames if frame[0] == 2)[1][0]
    same("commitment", digest("entente/pairing-commitment/1", ours), commitment)
    number = digest("entente/pairing-code/1", parties[0][1], node, theirs,
                    parties[1][1], newcomer, ours)
    number = int.from_bytes(number[:8], "big") % 100_000_000
    same("verification code", f"{number // 10000:04} {number % 10000:04}", v["verification_code"])


def check_transcript():
    v = load("transcript.json")
    frames = [(frame["to"], decode(bytes.fromhex(frame["bytes"]))) for frame in v["frames"]]
    check_pairing(v, frames[:v["frames_until_paired"]])
    said, told, stored = {}, [0, 0], {}
    for to, (kind, fields) in frames:
        if kind == 6:
            same("position", fields[0], told[to])
            told[to] += len(fields[1])
            for raw in fields[1]:
                found = statement(raw)
                said[found["id"]] = found
        elif kind == 7:
            same("statements stored", fields[0], told[1 - to])
        elif kind == 10:
            same("digest", heights_digest(fields[2]), fields[1])
        elif kind == 12:
            for raw in fields[0]:
                found = bundle(raw)
                opening = said[found["compartment"]]
                same("kind", opening["kind"], "compartment")
                names = [{"name": name, "shape": shape} for name, shape in opening["is"][2]]
                for _, leaf in found["leaves"]:
                    same("a change of its log", refusal(leaf[3], found["log"]), None)
                    same("genesis is its only dependency", leaf[3][11:44].find(genesis(names)[0]) >= 0,
                         True)
                stored[found["log"]] = found["seq"] + 1
        elif kind == 13:
            same("stored", stored[fields[0]], fields[1])
    same("kinds said", {"share", "grant", "compartment", "admission"} <= {s["kind"] for s in said.values()},
         True)
    same("logs", len(stored), 1)


for check in (check_ids, check_statements, check_grants, check_plans, check_bundles, check_facets,
              check_frames, check_transcript):
    check()
print(f"verify: {checks} checks, all as computed by Entente")
