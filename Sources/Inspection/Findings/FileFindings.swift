// Findings in a file's headers and segments, and in an application.

import AnyELF
import Architecture
import Memory
import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

extension Finding {
    // MARK: Segments

    /// The findings in the `headers` of `file`, whether it boots or not.
    static func inFile(_ file: ByteView, _ headers: FileHeaders) -> [Finding] {
        var findings: [Finding] = []
        do throws(Fault) {
            let header = try headers.own.get()
            let segments = try ProgramHeaders(file, header)
            guard header.type != .relocatable else { return [] }
            for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
                findings += inSegment(segments[index], index)
            }
            findings += inStack(segments)
            findings += inSectionHeaders(file, header)
            if header.osABI != OSABI.standalone, header.osABI != OSABI.gnu {
                findings.append(
                    Finding(
                        .note, "osabi", "EI_OSABI is \(header.osABI), neither 255 (standalone) nor 3 (GNU)",
                        "kernels of 2026 assert either at their start; link for the target x86_64-unknown-hermit"))
            }
        } catch {
            switch error.rule {
            case .notELF: return ofForm(file)
            case .wrongMachine, .notClass64, .notLittleEndian: return ofMachine(file)
            default: return findings
            }
        }
        return findings
    }

    private static func inSegment(_ segment: ProgramHeader, _ index: Int) -> [Finding] {
        var findings: [Finding] = []
        if segment.isWritable, segment.isExecutable {
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
                    "the loader copies it anyway, others map it wrongly; fix the linker script"))
        }
        if segment.align < Page.size {
            findings.append(
                Finding(
                    .note, "small-alignment", "segment \(index) is aligned to \(segment.align) bytes, less than a page",
                    "page protection cannot follow the segments; link with -z max-page-size=\(Page.size)"))
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
            guard headers[index].isExecutable else { return [] }
            return [
                Finding(
                    .warning, "executable-stack", "PT_GNU_STACK requests an executable stack",
                    "some assembly file lacks its .note.GNU-stack section; add it, or link with -z noexecstack")
            ]
        }
        return []
    }

    /// The finding in a file that was cut short, even if everything that is loaded is there.
    private static func inSectionHeaders(_ file: ByteView, _ header: FileHeader) -> [Finding] {
        do throws(Fault) {
            _ = try SectionListing(file, header)
            return []
        } catch {
            guard error.rule == .sectionHeadersBeyondFile else { return [] }
            return [
                Finding(
                    .warning, "cut-short",
                    "the section headers end at \(hex(error.value)), beyond the file's end at \(hex(error.limit))",
                    "the loader does not need them, but the file was cut short: copy or build it again")
            ]
        }
    }

    // MARK: The application

    /// The findings in a valid application.
    static func inApplication(_ application: borrowing Application) -> [Finding] {
        var findings: [Finding] = []
        var relocations = RelocationFindings()
        if !application.isObject {
            let image = application.contents.linked
            relocations.list(image)
            findings += inEntry(image) + inZeros(image) + relocations.here
            if application.protectsPages { findings += inPages(image) }
            if application.generation == .fourIdentity { findings += inFirstSegment(image) }
            if let sections = try? SectionListing(image.file, image.header) {
                findings += outsideSegments(image, sections)
                findings += unnamedRelocations(image, sections)
            }
        }
        return findings + inFunction(application) + inNotes(application) + elsewhere(application, relocations)
    }

    /// How to follow the loader's advice on `rule` with this tool.
    static func adviceHere(_ rule: Rule) -> [Finding] {
        switch rule {
        case .needsLibrary:
            [
                Finding(
                    .note, "libraries-to-give", "loader-inspect needs the path of each shared object",
                    "give --module LIBRARY for each, here and with boot")
            ]
        case .imageTooLarge, .noRoomForImage, .imageOutsideMemory, .noRoomForHandoff, .noRoomForModule, .memoryTooSmall,
            .moduleOutsideMemory, .baseOutsideMemory:
            [
                Finding(
                    .note, "memory-to-give", "loader-inspect's machine has 1G of RAM by default",
                    "give it more with --memory SIZE, here and with boot")
            ]
        case _ where rule.words.advice.string.contains("loader."):
            [
                Finding(
                    .note, "options-to-give", "loader-inspect has an option for the loader's options",
                    "give --loader-options OPTION, here and with boot")
            ]
        default: []
        }
    }

    /// The finding in too large thread-local storage: kernels allocate each thread's variables, and die if memory does not suffice.
    static func inThreadLocals(_ template: TLSInfo?, _ memoryMap: [MemoryRegion]) -> [Finding] {
        let size = memoryMap.reduce(0) { $1.isAvailable ? $0 + $1.range.size : $0 }
        guard let template, template.memsz >= size else { return [] }
        return [
            Finding(
                .warning, "thread-local-size",
                "each thread needs \(template.memsz) bytes of thread-local storage, and the machine has \(size) bytes of RAM",
                "give it more with --memory SIZE, here and with boot, or allocate large arrays where they are used")
        ]
    }

    /// The finding in an entry point that runs only if pages are not protected.
    private static func inEntry(_ image: borrowing LinkedImage) -> [Finding] {
        guard let index = image.properties.entrySegment, !image.programHeaders[index].isExecutable else { return [] }
        return [
            Finding(
                .warning, "entry-not-code",
                "the entry point, e_entry \(hex(image.header.entry)), is in segment \(index), which is not executable",
                "link with an entry symbol that is code, in a segment with PF_X")
        ]
    }

    /// The finding in zeros in place of code, as in copies that were interrupted.
    private static func inZeros(_ image: borrowing LinkedImage) -> [Finding] {
        guard let index = image.properties.entrySegment else { return [] }
        let segment = image.programHeaders[index]
        let offset = segment.offset &+ (image.header.entry &- segment.vaddr)
        guard image.file.word64(at: offset) == 0, image.file.word64(at: offset &+ 8) == 0 else { return [] }
        return [
            Finding(
                .warning, "entry-zeros",
                "the bytes at the entry point \(hex(image.header.entry)) are zeros, which are not code",
                "copy or build the file again")
        ]
    }

    /// The finding in an entry point inside of a function, as in a damaged header.
    private static func inFunction(_ application: borrowing Application) -> [Finding] {
        guard let location = application.contents.locate(application.entry), location.offset > 0 else { return [] }
        let file = application.contents.file
        let length = file.stringLength(at: location.nameOffset, limit: 256) ?? 0
        let name = printable(file.text(at: location.nameOffset, size: length))
        return [
            Finding(
                .warning, "entry-in-function",
                "the entry point \(hex(application.entry)) is not the beginning of a function: it is \(hex(location.offset)) bytes "
                    + "into \(name)",
                "link with an entry symbol, -e _start, or give an undamaged copy of the file")
        ]
    }

    /// The finding in a page that two segments share, which allows the union of their access.
    private static func inPages(_ image: borrowing LinkedImage) -> [Finding] {
        var parts = ImageParts()
        guard parts.advance(in: image) else { return [] }
        var last = parts.part
        while parts.advance(in: image) {
            let part = parts.part
            defer { last = part }
            guard last.end > last.start, part.start.pageStart <= (last.end &- 1).pageStart,
                last.isWritable != part.isWritable, last.isExecutable != part.isExecutable,
                last.isWritable || part.isWritable, last.isExecutable || part.isExecutable
            else { continue }
            return [
                Finding(
                    .warning, "shared-page",
                    "code and written data share the page at \(hex(part.start.pageStart)), which is both",
                    "link with -z separate-code and -z max-page-size=\(Page.size), so that segments get pages of their own"
                )
            ]
        }
        return []
    }

    /// The finding in notes that are in sections, but not in a PT_NOTE segment, where loaders look for them.
    private static func outsideSegments(
        _ image: borrowing LinkedImage, _ sections: borrowing SectionListing
    ) -> [Finding] {
        var findings: [Finding] = []
        for index in 0..<sections.count where sections[index].type == SectionHeader.Kind.note {
            let section = sections[index]
            var isInSegment = false
            for number in 0..<image.programHeaders.count
            where image.programHeaders.type(number) == ProgramHeader.Kind.note {
                let segment = image.programHeaders[number]
                if section.offset >= segment.offset, section.offset &- segment.offset < segment.filesz {
                    isInSegment = true
                }
            }
            guard !isInSegment, let bytes = try? sections.contents(index) else { continue }
            let area = NoteArea(section, index: index)
            var notes = Notes(bytes, at: area.start, area.address, area.alignment, area.location)
            while let note = try? notes.next() {
                let isHermit = note.isOwned(by: "HERMIT") || note.isOwned(by: "UHYVEIF")
                guard isHermit || note.isOwned(by: "GNU") && note.type == HermitNotes.abiTagType else { continue }
                findings.append(
                    Finding(
                        .warning, "note-outside-segment",
                        "section \(sections.name(section).text) holds a note, but no PT_NOTE segment holds the section",
                        "other loaders do not see it; add a NOTE segment for it to the linker script's PHDRS"))
                break
            }
        }
        return findings
    }

    /// The findings in relocations in memory that no dynamic entry names. Linkers leave those of a static executable, which are
    /// IRELATIVE, to the program itself.
    private static func unnamedRelocations(
        _ image: borrowing LinkedImage, _ sections: borrowing SectionListing
    ) -> [Finding] {
        guard let tables = try? DynamicTables(image), let dynamic = try? tables.section() else { return [] }
        let tags = [
            (DynamicTag.rela, DynamicTag.relaSize), (DynamicTag.rel, DynamicTag.relSize),
            (DynamicTag.pltRelocations, DynamicTag.pltRelocationSize),
        ]
        var findings: [Finding] = []
        for index in 0..<sections.count {
            let section = sections[index]
            let hasAddends = section.type == SectionHeader.Kind.rela
            guard hasAddends || section.type == SectionHeader.Kind.rel, section.size > 0,
                section.flags & SectionHeader.Flags.alloc != 0
            else { continue }
            let isNamed = tags.contains { start, size in section.addr &- dynamic[start] < dynamic[size] }
            if isNamed { continue }
            let count = section.size / (hasAddends ? RelocationEntry.relaSize : RelocationEntry.relSize)
            let sentence =
                "section \(sections.name(section).text) holds \(counted(count, "relocation")) that no dynamic entry names, so "
            findings.append(
                Finding(
                    .warning, "unnamed-relocations", sentence + "the loader does not apply them",
                    "link with -pie, or have the program apply them, as libcs do from __rela_iplt_start on"))
        }
        return findings
    }

    /// The finding in a first segment without the ELF header, which kernels from 2026-04 on read in memory.
    private static func inFirstSegment(_ image: borrowing LinkedImage) -> [Finding] {
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

    private static func inNotes(_ application: borrowing Application) -> [Finding] {
        var findings: [Finding] = []
        if application.notes.entryVersion == nil {
            findings.append(
                Finding(
                    .note, "no-entry-version", "there is no Hermit entry version note; EI_OSABI stands in for it",
                    "kernels from 0.4.3 on bring the note: keep .note.hermit.entry in the linker script"))
        }
        if application.notes.kernelVersion == nil, application.generation == .fourRecursive,
            !application.isGenerationForced
        {
            findings.append(
                Finding(
                    .note, "no-abi-tag",
                    "there is no ABI tag with the kernel's version, so it is taken for one before 0.10",
                    "if it is newer, keep .note.ABI-tag in the linker script, or say loader.generation=4-identity"))
        }
        return findings
    }
}
