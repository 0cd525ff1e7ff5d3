// The loader's work with one file, found out by the loader's own code.

import AnyELF
import Architecture
import Memory
import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

/// The verdict on one file, and everything that led to it. Its members, encoded, are the JSON of the default view.
struct Verdict: Encodable {
    /// The reason why the file does not boot.
    struct Problem: Encodable {
        /// The rule's name.
        let rule: String
        /// The class of the rule.
        let kind: String
        /// The sentence with its advice, as the loader prints it after `error: `.
        let sentence: String
        /// The status that QEMU would exit with.
        let qemuStatus: Int32

        init(_ refusal: Refusal) {
            rule = refusal.rule
            kind = "\(refusal.kind)"
            sentence = refusal.sentence
            qemuStatus = refusal.qemuStatus
        }
    }
    /// The memory plan.
    struct Plan: Encodable {
        let image, imageEnd, entryPoint, bootInfo, stack, pageTable, deviceTree: HexAddress
        let imageSize: UInt64
        let movesImage: Bool, movesModule: Bool
        let tls: ThreadLocal?
    }
    /// The loader that would be used.
    struct Loader: Encodable {
        /// Its file; left out if none was found.
        let file: String?
        /// Its own bytes in the guest's memory.
        let start, end: HexAddress
        /// Whether these are assumed, because no file was found.
        let isAssumed: Bool
    }
    /// Thread-local storage.
    struct ThreadLocal: Encodable {
        let start: HexAddress
        let fileSize, memorySize, alignment: UInt64
    }
    /// A shared object that is loaded with the file.
    struct Library: Encodable {
        let name, file: String
        let image, imageEnd: HexAddress
    }
    /// A Hermit image.
    struct Image: Encodable {
        /// The bytes of its file, and of the archive in it.
        let size, archiveSize: UInt64
        /// The kernel's name in it.
        let kernel: String
        /// Its requirements; left out if it has none.
        let memory, processors: UInt64?
        /// The command line that the kernel gets; left out if it does not boot.
        var bootargs: String?
    }
    /// A number of relocations of one type.
    struct Relocations: Encodable {
        let type: String
        let count: UInt64
    }

    let schema = JSONSchema.name
    let view = "verdict"
    let file: String
    var verdict = "boots"
    var status: Int32 = 0
    var error: Problem?
    var size: UInt64 = 0
    /// The Hermit image whose kernel all of this is about; left out if the file is not one.
    var hermitImage: Image?
    var kind: String?
    var osABI: UInt8?
    var generation: String?
    var entryVersion: UInt8?
    var kernelVersion: String?
    var uhyveInterface: UInt32?
    /// The compiler whose layout BootInfo has; left out if that does not matter, or is unknown.
    var compiler: String?
    var machine: String
    let loader: Loader
    var plan: Plan?
    var relocations: [Relocations] = []
    var resolvers: [String] = []
    /// Left out if there are none.
    var libraries: [Library]?
    var findings: [Finding] = []

    /// The verdict on `file`, with the name `name`, on `machine`; `headers` are the file's.
    init(
        _ file: ByteView, _ headers: FileHeaders, _ name: String, on machine: HostMachine, gigabytePages: Bool
    ) {
        self.file = name
        size = file.count
        self.machine = "\(machine.kind.rawValue), \(machine.memory.text), \(machine.startProtocol.rawValue)"
        loader = Loader(
            file: machine.isLoaderAssumed ? nil : machine.loaderPath, start: HexAddress(machine.loader.start),
            end: HexAddress(machine.loader.end), isAssumed: machine.isLoaderAssumed)
        hermitImage = machine.image.map {
            Image(
                size: UInt64($0.packed.bytes.byteCount), archiveSize: UInt64($0.archive.bytes.byteCount),
                kernel: $0.kernelName, memory: $0.memory == 0 ? nil : $0.memory,
                processors: $0.processors == 0 ? nil : $0.processors)
        }
        kind = headers.any?.typeName
        osABI = headers.any?.osABI
        findings = machine.findings + Finding.inFile(file, headers)
        do throws(Refusal) {
            var found: ApplicationFacts?
            let rehearsal = try Rehearsal(file, on: machine, gigabytePages: gigabytePages) { application, rehearsal in
                found = ApplicationFacts(application, rehearsal)
            }
            hermitImage?.bootargs = rehearsal.commandLine
            if let found { record(found, rehearsal, machine) }
            judgeMachine(rehearsal, file, machine)
        } catch {
            recordNotes(of: file, headers)
            refuse(error)
            guard let fault = error.fault else { return }
            findings += Finding.adviceHere(fault.rule)
            // Parsed without the loader's options, which may be the reason.
            guard let application = try? Application(file) else { return }
            generation = application.generation.name.string
            findings += Finding.inApplication(application)
        }
    }

    /// The facts about an application that was booted.
    private struct ApplicationFacts {
        let notes: HermitNotes
        let compiler: RustVersion?
        let template: TLSInfo?
        let findings: [Finding]

        init(_ application: borrowing Application, _ rehearsal: Rehearsal) {
            notes = application.notes
            compiler = application.decidingCompiler
            template = application.tls(bias: rehearsal.plan.bias)
            findings = Finding.inThreadLocals(template, rehearsal.memoryMap) + Finding.inApplication(application)
        }
    }

    /// Records that the file does not boot, for this reason.
    mutating func refuse(_ refusal: Refusal) {
        status = refusal.status
        // The malformed file may be a library.
        verdict = status == 2 && refusal.fault?.file == 0 ? "malformed" : "will not boot"
        error = Problem(refusal)
        plan = nil
    }

    /// Records the notes of a `file` that does not boot.
    private mutating func recordNotes(of file: ByteView, _ headers: FileHeaders) {
        guard let machine = headers.any?.machine else { return }
        // The notes of a kernel for another machine count as well.
        let own = try? headers.own.get()
        guard let header = own ?? (try? FileHeader(file, machine: machine)),
            // A fault of the notes is reported in its turn: the loader looks at the segments first.
            let notes = try? HermitNotes(file, ProgramHeaders(file, header))
        else { return }
        record(notes)
    }

    private mutating func record(_ notes: HermitNotes) {
        entryVersion = notes.entryVersion
        kernelVersion = notes.kernelVersion.map { "\($0.major).\($0.minor).\($0.patch)" }
        uhyveInterface = notes.uhyveInterface
    }

    private mutating func record(_ application: ApplicationFacts, _ rehearsal: Rehearsal, _ machine: HostMachine) {
        libraries =
            rehearsal.libraries.isEmpty
            ? nil
            : rehearsal.libraries.map {
                Library(
                    name: $0.name, file: machine.name(ofFile: $0.file) ?? $0.name,
                    image: HexAddress($0.memory.start), imageEnd: HexAddress($0.memory.end))
            }
        record(application.notes)
        compiler = application.compiler.map { "\($0.major).\($0.minor)" }
        generation = rehearsal.generation.name.string
        findings += Finding.unused(machine.modules, used: rehearsal.libraries.map { $0.file - 1 })
        let planned = rehearsal.plan
        findings += application.findings
        plan = Plan(
            image: HexAddress(planned.image.start), imageEnd: HexAddress(planned.image.end),
            entryPoint: HexAddress(rehearsal.entry.instructionPointer), bootInfo: HexAddress(rehearsal.entry.bootInfo),
            stack: HexAddress(planned.handoff.stack.start), pageTable: HexAddress(rehearsal.entry.pageTable),
            deviceTree: HexAddress(planned.handoff.deviceTree.start), imageSize: planned.image.size,
            movesImage: planned.isStaged,
            movesModule: planned.movesModules,
            tls: application.template.map {
                ThreadLocal(start: HexAddress($0.start), fileSize: $0.filesz, memorySize: $0.memsz, alignment: $0.align)
            })
        for type in 0...RelocationType.lastNumber where rehearsal.counts[type] > 0 {
            let name = RelocationType(type).map { $0.name.string } ?? "\(type)"
            relocations.append(Relocations(type: name, count: rehearsal.counts[type]))
        }
        resolvers = rehearsal.resolvers.map { hex($0) }
    }

    // MARK: Text

    /// Writes the verdict as text; `headers` are those of the `file`.
    func write(to output: Output, file: ByteView, _ headers: FileHeaders, quiet: Bool) {
        output.write("\(printable(self.file)): ", .bold)
        output.line(status == 0 ? styled(output, "boots", 32) : styled(output, verdict, 31))
        if let error {
            // Unbroken, as the loader prints it, so that it can be found in a log.
            output.write("  error: ", .red)
            output.line(error.sentence)
        }
        guard !quiet else {
            write(findings, to: output)
            return
        }
        if let hermitImage { write(hermitImage, to: output) }
        if let kind {
            let what =
                switch kind {
                case "ET_EXEC": "linked at a fixed address"
                case "ET_DYN": "position independent"
                case "ET_CORE": "a process's memory"
                default: "an object file, which the loader links"
                }
            output.label("kind", "\(kind), \(what), \(size) bytes")
        }
        if let evidence { output.label("contract", evidence) }
        if let plan { write(plan, to: output) }
        write(findings, to: output)
        // A core file may have thousands.
        guard let header = headers.any, kind == "ET_EXEC" || kind == "ET_DYN" else { return }
        output.line()
        do throws(Fault) {
            try HeaderViews.segments(file, header, to: ViewTarget(output: output, file: self.file, json: false))
        } catch { output.line(Refusal(error, file).sentence) }
    }

    private func styled(_ output: Output, _ text: String, _ number: Int) -> String {
        output.isColored ? "\u{1b}[1;\(number)m\(text)\u{1b}[0m" : text
    }

    private func write(_ image: Image, to output: Output) {
        output.label(
            "in an image", "\(printable(image.kernel)), \(image.size) bytes packed, \(image.archiveSize) unpacked")
        var needs: [String] = []
        if let memory = image.memory {
            let (count, rest) = memory.quotientAndRemainder(dividingBy: MemorySize.mebibyte)
            needs.append(rest == 0 ? "\(count) MiB of memory" : "\(memory) bytes of memory")
        }
        if let processors = image.processors { needs.append(counted(Int(processors), "processor")) }
        if !needs.isEmpty { output.label("it asks for", needs.joined(separator: ", ")) }
        if let bootargs = image.bootargs { output.label("bootargs", printable(bootargs)) }
    }

    private func write(_ plan: Plan, to output: Output) {
        output.label("machine", machine)
        output.label(
            "loader",
            (loader.file.map { printable($0) } ?? "no file found, so it is assumed")
                + " at \(rangeText(loader.start.value, loader.end.value))"
                + (loader.isAssumed ? " (say --loader FILE)" : ""))
        output.label(
            "image",
            rangeText(plan.image.value, plan.imageEnd.value)
                + (plan.movesImage ? ", over the loader itself" : "")
                + (plan.movesModule ? ", after moving modules out of the way" : ""))
        for (index, library) in (libraries ?? []).enumerated() {
            output.label(
                index == 0 ? "libraries" : "",
                "\(printable(library.name)) at \(rangeText(library.image.value, library.imageEnd.value))")
        }
        if let tls = plan.tls {
            output.label(
                "TLS",
                "\(tls.start), \(tls.fileSize) of \(tls.memorySize) bytes initialised, aligned to \(tls.alignment)")
        }
        let total = relocations.reduce(0) { $0 + $1.count }
        let byType = relocations.map { "\($0.count) \($0.type)" }.joined(separator: ", ")
        output.label("relocations", relocations.isEmpty ? "none" : "\(total): \(byType)")
        if !resolvers.isEmpty {
            // Several relocations may call one function.
            var seen: Set<String> = []
            let functions = resolvers.filter { seen.insert($0).inserted }
            let more = functions.count > 3 ? " and \(functions.count - 3) more" : ""
            output.label(
                "",
                "\(counted(resolvers.count, "call")) of resolver functions in the guest: "
                    + functions.prefix(3).joined(separator: ", ") + more)
        }
        output.label("BootInfo", "\(plan.bootInfo), stack at \(plan.stack), page tables at \(plan.pageTable)")
        output.label("entry point", "\(plan.entryPoint)")
    }

    /// The generation, and the evidence for it.
    var evidence: String? {
        guard let generation else { return nil }
        var text = generation + (entryVersion.map { ": note HERMIT says \($0)" } ?? ": no note HERMIT, OSABI 255")
        if let compiler { text += ", BootInfo as rustc \(compiler) lays it out" }
        text += kernelVersion.map { ", kernel \($0)" } ?? ", no ABI tag (kernel before 0.10)"
        if let uhyveInterface { text += ", uhyve interface \(uhyveInterface)" }
        return text
    }

    private func write(_ findings: [Finding], to output: Output) {
        for finding in findings {
            let name = finding.severity == .warning ? "warning" : "note"
            output.write("  ")
            output.write(name, finding.severity == .warning ? .yellow : .cyan)
            output.write(String(repeating: " ", count: 12 - name.count) + " ")
            output.wrap(finding.sentence + "; " + finding.advice, indent: 15)
        }
    }
}
