// What looks wrong in a file that may boot all the same, with advice.

import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import KernelImage

/// One remark.
struct Finding: Encodable, Equatable {
    /// How bad it is.
    enum Severity: String, Encodable {
        case warning, note
    }
    let severity: Severity
    /// A short name, for scripts.
    let name: String
    /// What was found.
    let sentence: String
    /// What to do about it.
    let advice: String

    private init(_ severity: Severity, _ name: String, _ sentence: String, _ advice: String) {
        self.severity = severity
        self.name = name
        self.sentence = sentence
        self.advice = advice
    }

    // MARK: Segments

    /// What the program headers of `file` show, whether it boots or not.
    static func inFile(_ file: ByteView) -> [Finding] {
        var findings: [Finding] = []
        do throws(Fault) {
            let header = try FileHeader(file)
            let headers = try ProgramHeaders(file, header)
            guard header.type != .relocatable else { return [] }
            for index in 0..<headers.count where headers.type(index) == ProgramHeader.Kind.load {
                findings += inSegment(headers[index], index)
            }
            findings += inStack(headers)
            if header.osABI != 0xff {
                findings.append(
                    Finding(
                        .note, "osabi", "EI_OSABI is \(header.osABI), not 255 (standalone)",
                        "kernels of 2026 assert 255 or 3 at their start; link for the target x86_64-unknown-hermit"))
            }
        } catch {}
        return findings
    }

    private static func inSegment(_ segment: ProgramHeader, _ index: Int) -> [Finding] {
        var findings: [Finding] = []
        if segment.flags & 3 == 3 {
            findings.append(
                Finding(
                    .warning, "writable-code", "segment \(index) is writable and executable",
                    "link with -z separate-code, or split the section in the linker script"))
        }
        if segment.align > 1, segment.align & (segment.align - 1) == 0,
            (segment.vaddr ^ segment.offset) & (segment.align - 1) != 0
        {
            findings.append(
                Finding(
                    .warning, "incongruent",
                    "segment \(index): p_vaddr \(hex(segment.vaddr)) and p_offset \(hex(segment.offset)) differ modulo "
                        + "p_align \(hex(segment.align))",
                    "the loader copies it all the same, others map it wrongly; fix the linker script"))
        }
        if segment.align < 0x1000 {
            findings.append(
                Finding(
                    .note, "small-alignment", "segment \(index) is aligned to \(segment.align) bytes, less than a page",
                    "page protection cannot follow the segments; link with -z max-page-size=4096"))
        }
        if segment.memsz == 0 {
            findings.append(
                Finding(
                    .note, "empty-segment", "segment \(index) is empty", "it is ignored; drop it from the linker script"
                ))
        }
        return findings
    }

    private static func inStack(_ headers: borrowing ProgramHeaders) -> [Finding] {
        for index in 0..<headers.count where headers.type(index) == ProgramHeader.Kind.stack {
            guard headers[index].flags & 1 != 0 else { return [] }
            return [
                Finding(
                    .warning, "executable-stack", "PT_GNU_STACK asks for an executable stack",
                    "some assembly file lacks its .note.GNU-stack section; add it, or link with -z noexecstack")
            ]
        }
        return []
    }

    // MARK: The application

    /// What a valid application shows.
    static func inApplication(_ application: borrowing Application) -> [Finding] {
        guard let image = application.image else { return inNotes(application.notes) + elsewhere(application) }
        return inRelocations(image) + (application.generation == .fourIdentity ? inFirstSegment(image) : [])
            + inNotes(application.notes) + elsewhere(application)
    }

    private static func inRelocations(_ image: borrowing KernelImage) -> [Finding] {
        var count = 0
        var firstAddress: UInt64 = 0
        do throws(Fault) {
            let relocator = try Relocator(copy image, bias: 0)
            var writable: [(start: UInt64, end: UInt64)] = []
            for index in 0..<image.programHeaders.count
            where image.programHeaders.type(index) == ProgramHeader.Kind.load {
                let segment = image.programHeaders[index]
                if segment.flags & 2 != 0 { writable.append((segment.vaddr, segment.vaddr &+ segment.memsz)) }
            }
            var relocations = relocator.listed
            while let relocation = try relocations.next() {
                let address = relocation.entry.offset
                if relocation.entry.type == 0 || writable.contains(where: { address >= $0.start && address < $0.end }) {
                    continue
                }
                if count == 0 { firstAddress = address }
                count += 1
            }
        } catch { return [] }
        guard count > 0 else { return [] }
        return [
            Finding(
                .warning, "text-relocations",
                "\(count) relocations change read-only segments, the first at \(hex(firstAddress))",
                "compile everything with -fPIC or relocation-model=pic, and link with -z text")
        ]
    }

    /// Kernels from 2026-04 on read their own ELF header in memory.
    private static func inFirstSegment(_ image: borrowing KernelImage) -> [Finding] {
        for index in 0..<image.programHeaders.count
        where image.programHeaders.type(index) == ProgramHeader.Kind.load {
            guard image.programHeaders[index].offset != 0 else { return [] }
            return [
                Finding(
                    .warning, "no-header-in-image", "the first PT_LOAD segment does not hold the ELF header",
                    "kernels from 2026-04 on read it there for TLS; add FILEHDR PHDRS to the linker script")
            ]
        }
        return []
    }

    private static func inNotes(_ notes: HermitNotes) -> [Finding] {
        var findings: [Finding] = []
        if notes.entryVersion == nil {
            findings.append(
                Finding(
                    .note, "no-entry-version", "there is no Hermit entry version note; EI_OSABI stands in for it",
                    "kernels from 0.4.3 on bring the note: keep .note.hermit.entry in the linker script"))
        }
        return findings
    }

    /// What upstream's loaders and uhyve would do.
    private static func elsewhere(_ application: borrowing Application) -> [Finding] {
        let loaders =
            switch application.generation {
            case .zero: "up to v0.2.6"
            case .one: "v0.3.x"
            case .two: "v0.4.0 to v0.4.2"
            case .three: "v0.4.3 to v0.4.6"
            case .fourRecursive: "v0.5.0 to v0.5.6"
            case .fourIdentity: "v0.5.6 and newer"
            }
        var findings = [
            Finding(
                .note, "upstream", "of the loaders of hermit-os, only \(loaders) boot this generation",
                "this loader boots all of them")
        ]
        if application.isFixed, application.linkStart == 0x100_0000 {
            findings.append(
                Finding(
                    .note, "upstream-16m", "hermit-os/loader up to v0.5.6 triple-faults on images linked at 16 MiB",
                    "link at 8 MiB to be portable"))
        }
        if application.notes.uhyveInterface == nil {
            findings.append(
                Finding(
                    .note, "no-uhyve", "there is no uhyve interface note, which uhyve from v0.6 on asks for",
                    "QEMU and this loader need none"))
        }
        return findings
    }
}
