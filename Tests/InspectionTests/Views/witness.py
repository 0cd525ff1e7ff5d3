"""Compares what loader-inspect lists of ELF files with what readelf lists: headers, segments, sections, symbols,
relocations, notes and dynamic entries of every file in /usr and in the Swift toolchain, or of a sample.

    witness.py PROGRAM [--sample NUMBER] [--jobs NUMBER] [FOLDER|FILE...]

Prints the numbers, and every difference that is not explained here; the status is then 1."""

import argparse
import collections
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys

VIEWS = ["verdict", "segments", "sections", "symbols", "relocations", "notes", "dynamic", "versions"]
X86_64 = "Advanced Micro Devices X86-64"


def elf_files(roots):
    """Every ELF file below `roots`, each once, whatever its name: path, size, and whether it is for x86-64."""
    seen = set()
    for root in roots:
        for folder, _, names in os.walk(root) if os.path.isdir(root) else [("", [], [root])]:
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                    if status.st_mode & 0o170000 != 0o100000 or status.st_size < 64:
                        continue
                    with open(path, "rb") as file:
                        head = file.read(20)
                except OSError:
                    continue
                if head[:4] != b"\x7fELF" or (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                yield path, status.st_size, head[4:6] == b"\2\1" and head[18:20] == b"\x3e\0"


def number(digits):
    return hex(int(digits, 16))


def plain(name):
    """A symbol's name without its version, which readelf adds; one dot for a name that either tool has to escape."""
    if name and not (name.isascii() and name.isprintable()):
        return "."
    return re.sub(r"(?<=.)@.*", "", name or "")


def versioned(name):
    """A symbol's name with its version, but without the version's number; readelf leaves out one that is the name itself."""
    if name and not (name.isascii() and name.isprintable()):
        return "."
    return re.sub(r"^(.+)@@?\1$", r"\1", re.sub(r" \(\d+\)$", "", name or ""))


def known(name):
    """The name of a relocation type; one for those of APX, which readelf does not know before 2.43."""
    return "APX" if re.match(r"CODE_|unrecognized: (2[b-f]|3[0-3])$", name) else name


# --- readelf ---

SEGMENT = re.compile(
    r"  (\S+) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+) (.{3}) (?:0x)?([0-9a-f]+)$")
SECTION = re.compile(
    r" *\[ *(\d+)\] (.*?) +(\S+(?: \S+)?) +([0-9a-f]{16}|[0-9a-f]{8}) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +([A-Za-z]*) +(\d+) +(\d+) +(\d+)$")
SYMBOL = re.compile(
    r" *(\d+): ([0-9a-f]{16}|[0-9a-f]{8}) +(\d+|0x[0-9a-f]+) (\w+|<\D+>: \d+) +(\w+|<\D+>: \d+) +(\w+) +(?:\[.*?\] +)?(\w+|\w+\[0x[0-9a-f]+\])(?: (.*))?$")
RELOCATION = re.compile(r"([0-9a-f]{16})  [0-9a-f]{16} (R_X86_64_\w+|unrecognized: \w+) *(.*)$")
FOREIGN = re.compile(r"([0-9a-f]{16}|[0-9a-f]{8})  ([0-9a-f]{16}|[0-9a-f]{8}) (?:R_\w+|unrecognized: \w+) *(.*)$")
WITH_SYMBOL = re.compile(r"([0-9a-f]{16}|.*\(\)) +(.*?) ([+-]) ([0-9a-f]+)$")
DYNAMIC = re.compile(r" (0x(?:[0-9a-f]{16}|[0-9a-f]{8})) \((.*?)\) +(.*)$")
NEEDED_FILE = re.compile(r"  [0-9a-fx]+: Version: \d+  File: (.*?)  Cnt: \d+$")
NEEDED = re.compile(r"  [0-9a-fx]+:   Name: (.*?)  Flags: (.*?)  Version: (\d+)$")
DEFINED = re.compile(r"  [0-9a-fx]+: Rev: \d+  Flags: (.*?)  Index: (\d+)  Cnt: \d+  Name: (.*)$")
PARENT = re.compile(r"  [0-9a-fx]+: Parent \d+: (.*)$")
NOTE = re.compile(r"  (.*?) +0x([0-9a-f]{8})\t")


class Theirs:
    """What readelf says of one file."""

    def __init__(self, path):
        text = subprocess.run(
            ["readelf", "-W", "-h", "-l", "-S", "-s", "-r", "-n", "-d", "-V", path],
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=False).stdout.decode("latin-1")
        self.rows = {view: collections.Counter() for view in VIEWS}
        self.allocated = {}
        self.noted = {}
        self.note_ranges = []
        self.values = {}
        self.undefined = set()
        self.header = {}
        self.mapping = {}
        self.is_object = False
        self.is_foreign = False
        self.needed_file = ""
        part, section = "", ""
        for line in text.split("\n"):
            if line and line[0] not in " \t":
                part, section = self.heading(line, part, section)
            if part == "header":
                match = re.match(r"  ([A-Z][\w/ ]+): +(.*)$", line)
                if match:
                    self.header[match[1]] = match[2]
                    self.is_object = self.header.get("Type", "").startswith("REL")
                    self.is_foreign = (self.header.get("Machine", X86_64), self.header.get("Class")) != (X86_64, "ELF64")
            elif part == "segments":
                self.segment(SEGMENT.match(line))
                match = re.match(r"   (\d\d+) +(.*)$", line)
                if match:
                    self.mapping[int(match[1])] = sorted(map(plain, match[2].split()))
            elif part == "sections":
                self.section(SECTION.match(line))
            elif part == "symbols":
                self.symbol(SYMBOL.match(line), line)
            elif part == "relocations":
                self.relocation(RELOCATION.match(line), line, section)
            elif part == "dynamic":
                self.entry(DYNAMIC.match(line))
            elif part == "versions":
                self.version(line)
            elif part == "notes":
                self.note(NOTE.match(line), section)

    @staticmethod
    def heading(line, part, section):
        for start, name in [
            ("ELF Header", "header"), ("Section Headers", "sections"), ("Program Headers", "segments"),
            ("Symbol table", "symbols"), ("Relocation section", "relocations"), ("Dynamic section at", "dynamic"),
            ("Displaying notes", "notes"), ("Version symbols", ""), ("Version needs", "versions"),
            ("Version definition", "versions"), ("Key to Flags", ""), ("Histogram", ""),
        ]:
            if line.startswith(start):
                match = re.search(r"(?:'(.*?)'|in: (.*)$)", line)
                return name, (match[1] or match[2]) if match else ""
        return part, section

    def version(self, line):
        """A line of SHT_GNU_verdef or SHT_GNU_verneed, as a row; parents of a version are lines of their own."""
        for pattern, kind in [(NEEDED_FILE, "file"), (NEEDED, "needed"), (DEFINED, "defined"), (PARENT, "parent")]:
            match = pattern.match(line)
            if not match:
                continue
            if kind == "file":
                self.needed_file = match[1]
            elif kind == "needed":
                self.rows["versions"][("needed", int(match[3]), flag_names(match[2]), self.needed_file, match[1])] += 1
            elif kind == "defined":
                self.rows["versions"][("defined", int(match[2]), flag_names(match[1]), "", match[3])] += 1
            else:
                self.rows["versions"][("parent", match[1])] += 1
            return

    def segment(self, match):
        if match:
            flags = match[6].replace(" ", "").lower()
            self.rows["segments"][(
                own_kind(match[1]), number(match[2]), number(match[3]), number(match[4]), number(match[5]), flags,
                number(match[7]))] += 1
            if match[1] == "NOTE":
                self.note_ranges.append((int(match[2], 16), int(match[4], 16)))

    def section(self, match):
        if match:
            # SHF_GNU_RETAIN is R where EI_OSABI says GNU, else one of the system's own.
            flags = match[8].replace("R", "o")
            # Numbers without a name.
            kind = re.sub(r"(LOOS|LOPROC|LOUSER)\+0x([0-9a-f]+)", lambda word: hex(
                {"LOOS": 0x60000000, "LOPROC": 0x70000000, "LOUSER": 0x80000000}[word[1]] + int(word[2], 16)), match[3])
            self.rows["sections"][(
                match[1], plain(match[2]), own_kind(kind), number(match[4]), number(match[5]), number(match[6]),
                "".join(sorted(flags)), hex(int(match[11])), number(match[7]), int(match[9]), int(match[10]))] += 1
            # Notes that are not in memory, or in no PT_NOTE segment of a linked file, are not seen at run time.
            offset = int(match[5], 16)
            self.allocated[match[2]] = "A" in flags
            is_core = self.header.get("Type", "").startswith("CORE")
            self.noted[match[2]] = ("A" in flags or is_core) and (self.is_object or offset)

    def symbol(self, match, line):
        if not match:
            return
        # readelf recognises GNU's symbols only if EI_OSABI says so.
        kind, binding = (word.replace("<OS specific>: 10", name) for word, name in
                         [(match[4], "IFUNC"), (match[5], "UNIQUE")])
        size = int(match[3], 0)
        if match[7] == "UND":
            self.undefined.add(plain(match[8]))
        self.rows["symbols"][(
            match[1], number(match[2]), size, kind, binding, match[6], match[7], versioned(match[8]))] += 1

    def relocation(self, match, line, section):
        if self.is_foreign:
            return self.foreign(FOREIGN.match(line), line)
        if not self.is_object and not self.allocated.get(section, True):
            return  # Relocations that a linker was asked to keep, which are not applied.
        if not match:
            # DT_RELR, unpacked.
            if re.fullmatch(r"[0-9a-f]{16}", line):
                self.rows["relocations"][("RELR", number(line), "RELATIVE", "")] += 1
            return
        with_symbol = WITH_SYMBOL.match(match[3])
        symbol = plain(with_symbol[2].strip()) if with_symbol else ""
        name = known(match[2].replace("R_X86_64_", ""))
        self.rows["relocations"][("", number(match[1]), name, symbol)] += 1
        if with_symbol:
            addend = int(with_symbol[4], 16) * (1 if with_symbol[3] == "+" else -1)
            # An STT_GNU_IFUNC symbol has its name in place of its value.
            value = None if with_symbol[1].endswith("()") else int(with_symbol[1], 16)
            self.values.setdefault((number(match[1]), name), (value, addend))
        elif re.fullmatch(r"[0-9a-f]+", match[3].strip()):
            self.values.setdefault((number(match[1]), name), (None, int(match[3], 16)))

    def foreign(self, match, line):
        """A relocation of another machine: place, type and symbol by number, and what readelf shows of the latter's name."""
        if not match:
            if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{8}", line):
                self.rows["relocations"][(number(line), "RELR", "")] += 1
            return
        info = int(match[2], 16)
        kind = info & 0xff if len(match[2]) == 8 else info & 0xffffffff
        if self.header.get("Machine", "").startswith("Sparc v9"):
            kind &= 0xff
        # The name, where there is one: value, name, and the addend where there is one.
        symbol = re.match(r"(?:[0-9a-f]{16}|[0-9a-f]{8}) +(.+?)(?: [+-] [0-9a-f]+)?$", match[3])
        self.rows["relocations"][(number(match[1]), kind, plain(symbol[1]) if symbol else "")] += 1

    def entry(self, match):
        if not match:
            return
        text = match[3]
        if int(match[1], 16) >> 28 == 7:
            # A processor's: names and values differ.
            self.rows["dynamic"][(hex(int(match[1], 16)), "processor's", "")] += 1
            return
        named = re.search(r": \[(.*)\]$", text)
        if named:
            value = plain(named[1])
        elif re.fullmatch(r"0x[0-9a-f]+", text):
            value = text
        elif re.fullmatch(r"\d+(?: \(bytes\))?", text):
            value = hex(int(text.split()[0]))
        else:
            # Flags, and DT_PLTREL.
            value = text.removeprefix("Flags:").strip()
        self.rows["dynamic"][(hex(int(match[1], 16)), match[2], value)] += 1

    def note(self, match, section):
        if match and match[1].strip() != "Owner":
            # In a file without section headers, and in a core file, notes are found by segments.
            place = self.noted.get(section, True) if section else True
            if place is True or place and any(start <= place < start + size for start, size in self.note_ranges):
                self.rows["notes"][(plain(match[1].strip()), int(match[2], 16))] += 1


# --- loader-inspect ---


def ours(program, view, paths):
    """The document of a view of each file, or None and what it says on standard error. One run does for all files that have one."""
    run = subprocess.run([program, view, "--json", *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    documents = {}
    text = run.stdout.decode("utf-8", "replace").strip()
    error = run.stderr.decode("latin-1").strip() if run.returncode in (0, 1, 2) else f"status {run.returncode}"
    try:
        while text and run.returncode in (0, 1, 2):
            document, end = json.JSONDecoder().raw_decode(text)
            documents[document["file"]] = (document, "")
            text = text[end:].lstrip()
    except ValueError:
        documents = {}
    if len(paths) == 1:
        return {paths[0]: next(iter(documents.values()), (None, error))}
    for path in paths:
        if path not in documents:
            documents.update(ours(program, view, [path]))
    return documents


def own_kind(name):
    """A type of segments or sections: one word for those that belong to a processor, whose names differ."""
    processors = ("ARM_", "AARCH64_", "MIPS_", "RISCV_", "0x7", "LOPROC", "EXIDX", "REGINFO", "OPTIONS", "ABIFLAGS", "S390_", "PPC64_")
    return "processor's" if name.startswith(processors) else name


def flag_names(text):
    """The flags of a version, as readelf has them or as we do."""
    return " ".join(sorted(re.findall(r"BASE|WEAK|INFO", text or "")))


def version(row):
    """The rows of a version: itself, and its parents."""
    rows = [(row["kind"], row["number"], flag_names(row["flags"]), row["file"] or "", row["name"])]
    return rows + [("parent", name) for name in (row["parents"] or "").split()]


def segment(row):
    flags = row["flags"].replace("-", "").replace("x", "e")
    return (own_kind(row["type"]), row["offset"], row["address"], row["fileSize"], row["memorySize"], flags, row["alignment"])


# What readelf calls the fields of the ELF header that are numbers.
FIELDS = {
    "e_entry": "Entry point address", "e_phoff": "Start of program headers", "e_shoff": "Start of section headers",
    "e_flags": "Flags", "e_ehsize": "Size of this header", "e_phentsize": "Size of program headers",
    "e_phnum": "Number of program headers", "e_shentsize": "Size of section headers",
    "e_shnum": "Number of section headers", "e_shstrndx": "Section header string table index"}


def check_header(theirs, document, error):
    """Sentences about fields of the ELF header that differ."""
    if document is None:
        return [f"header: {error}"]
    values = {row["field"]: int(row["value"], 16) for row in document["rows"]}
    told = {field: int(theirs.header[name].split(" ")[0].rstrip(","), 0) for field, name in FIELDS.items()}
    return [f"{field} is {hex(values[field])}, readelf says {hex(told[field])}" for field in told
            if values[field] != told[field]]


def section(row):
    flags = "".join(sorted(row["flags"].replace("R", "o")))
    return (str(row["index"]), plain(row["name"]), own_kind(row["type"]), row["address"], row["offset"], row["size"], flags,
            row["alignment"], row["entrySize"], row["link"], row["info"])


def symbol(row):
    return (str(row["index"]), row["value"], row["size"], row["type"], row["binding"], row["visibility"],
            row["section"], versioned((row["name"] or "") + (row["version"] or "")))


def note(row):
    return (plain(row["owner"]), row["size"])


def dynamic(row, theirs):
    """With the value where readelf shows one."""
    if int(row["tag"], 16) >> 28 == 7:
        return (row["tag"], "processor's", "")
    for value in (row["value"], plain(row["text"]) if row["text"] else "", ""):
        if (row["tag"], row["name"], value) in theirs:
            return (row["tag"], row["name"], value)
    return (row["tag"], row["name"], row["value"])


def check_value(row, theirs):
    """The value that is stored, as readelf's symbol and addend give it; nil where it says nothing."""
    value = row["value"] or ""
    known = theirs.values.get((row["place"], row["name"]))
    # A program's undefined function may have the address of its PLT entry, which is not a definition for others.
    if known is None or not re.fullmatch(r"0x[0-9a-f]+(\(\))?", value):
        return None
    if row["symbol"] and plain(row["symbol"]) in theirs.undefined:
        return None
    address, addend = known
    mask = (1 << 64) - 1
    if row["name"] in ("RELATIVE", "IRELATIVE"):
        return value.rstrip("()") == hex(addend & mask)
    if address and row["name"] in ("GLOB_DAT", "JUMP_SLOT"):
        return value.rstrip("()") == hex(address)
    if address and row["name"] == "64":
        return value.rstrip("()") == hex((address + addend) & mask)
    return None


def compare(job):
    """Compares some files: for each, counts, and sentences about what differs."""
    program, files = job
    documents = {view: ours(program, view, [path for path, _, _ in files]) for view in ["header"] + VIEWS}
    return [compare_file(path, is_ours, {view: documents[view][path] for view in documents}) for path, _, is_ours in files]


def compare_file(path, is_ours, documents):
    """Compares one file, of which `documents` has every view: counts, and sentences about what differs."""
    counts = collections.Counter(files=1)
    differences = []
    theirs = Theirs(path)
    differences += check_header(theirs, *documents["header"])
    counts["headers"] += 1
    for view in VIEWS:
        document, error = documents[view]
        if view == "verdict" and document:
            kind = theirs.header.get("Type", "").split(" ")[0]
            refused = "error" in document and document["error"]["rule"] in ("wrongClass", "wrongByteOrder", "wrongMachine")
            if not is_ours:
                counts["other machines"] += 1
                if document["status"] == 0:
                    differences.append("is for another machine, and said to boot")
                continue
            if refused or document.get("kind") != {"REL": "ET_REL", "EXEC": "ET_EXEC", "DYN": "ET_DYN", "CORE": "ET_CORE"}.get(kind):
                differences.append(f"type {document.get('kind')}, readelf says {kind}: {document.get('error')}")
            abi = {"UNIX - System V": 0, "UNIX - GNU": 3, "UNIX - FreeBSD": 9, "Standalone App": 255}
            if theirs.header.get("OS/ABI") in abi and document.get("osABI") != abi[theirs.header["OS/ABI"]]:
                differences.append(f"OSABI {document.get('osABI')}, readelf says {theirs.header['OS/ABI']}")
            continue
        if document is None:
            differences.append(f"{view}: {error}")
            continue
        expected = theirs.rows[view]
        found = collections.Counter()
        for row in document["rows"]:
            if view == "relocations" and theirs.is_foreign:
                kind = "RELR" if row["name"] == "RELATIVE" else row["number"]
                found[(row["offset"], kind, plain(row["symbol"]))] += 1
            elif view == "relocations":
                place = row["offset"] if "offset" in row else row["place"]
                table = "RELR" if row["table"] == "RELR" else ""
                found[(table, place, known(row["name"] or ""), plain(row["symbol"]))] += 1
                if "offset" not in row:
                    right = check_value(row, theirs)
                    if right is not None:
                        counts["values"] += 1
                    if right is False:
                        differences.append(f"value {row['value']} at {row['place']}: {theirs.values[(row['place'], row['name'])]}")
            elif view == "dynamic":
                found[dynamic(row, expected)] += 1
            elif view == "versions":
                for entry in version(row):
                    found[entry] += 1
            else:
                found[{"segments": segment, "sections": section, "symbols": symbol, "notes": note}[view](row)] += 1
        if view == "sections":
            mapping = {}
            for row in document["rows"]:
                for index in (row["segments"] or "").split():
                    mapping.setdefault(int(index), []).append(plain(row["name"]))
            for index, names in theirs.mapping.items():
                if sorted(mapping.get(index, [])) != names:
                    differences.append(f"segment {index} holds {sorted(mapping.get(index, []))}, readelf says {names}")
            counts["mappings"] += len(theirs.mapping)
        if view == "relocations" and not theirs.is_object and not theirs.is_foreign:
            # A static program relocates itself; readelf unpacks DT_RELR if there is a section for it.
            if not theirs.rows["dynamic"]:
                expected = collections.Counter()
            if ".relr.dyn" not in theirs.allocated:
                found = collections.Counter({row: count for row, count in found.items() if row[0] != "RELR"})
        counts[view] += sum(found.values())
        for name, rest in (("only here", found - expected), ("only readelf", expected - found)):
            if rest:
                differences.append(f"{view}, {name}: {sum(rest.values())}, as {list(rest)[:3]}")
    return counts, differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--sample", type=int, help="at most as many files, all below 1 MiB")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("roots", nargs="*")
    options = parser.parse_intermixed_args()
    toolchain = shutil.which("swiftc")
    # The folder that has bin/swiftc, if that is not in /usr.
    usual = ["/usr"] + ([os.path.dirname(os.path.dirname(os.path.realpath(toolchain)))] if toolchain else [])
    files = list(elf_files(options.roots or usual))
    if options.sample:
        small = [file for file in files if file[1] < 1 << 20]
        step = max(1, len(small) // options.sample)
        files = small[::step][:options.sample]
    total = collections.Counter()
    failures = 0
    # The largest come first, each in a run of its own; the others share runs, since a run takes longer to start than to list a file.
    files.sort(key=lambda file: -file[1])
    large = [file for file in files if file[1] >= 1 << 20]
    small = files[len(large):]
    batches = [[file] for file in large] + [small[index:index + 8] for index in range(0, len(small), 8)]
    with multiprocessing.Pool(options.jobs) as pool:
        for batch, results in zip(batches, pool.imap(compare, [(options.program, batch) for batch in batches])):
            for file, (counts, differences) in zip(batch, results):
                total += counts
                failures += bool(differences)
                for difference in differences:
                    print(f"{file[0]}: {difference[:700]}", flush=True)
    print(", ".join(f"{total[key]:,} {key}" for key in ["files", "other machines", "headers"] + VIEWS[1:] + ["values", "mappings"]))
    print(f"{failures} files differ")
    sys.exit(failures > 0)


main()
