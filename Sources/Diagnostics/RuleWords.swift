// The sentence and the advice of each rule.
//
// Blanks are filled in when a sentence is written: %v and %d are the fault's value, %l and %m its limit, in hexadecimal and in
// decimal; %n is the name, %t the relocation's type, %a the address that it changes, %g the name of the dynamic entry whose tag the
// value is.

extension Rule {
    /// The words of a rule: its class, its sentence and its advice.
    public struct Words: Sendable {
        /// The class of the rule.
        public let kind: Kind
        /// The sentence, with blanks.
        public let sentence: Text
        /// What the user can do.
        public let advice: Text

        private init(_ kind: Kind, _ sentence: Text, _ advice: Text) {
            self.kind = kind
            self.sentence = sentence
            self.advice = advice
        }

        static func noApplication(_ sentence: Text, _ advice: Text) -> Words { Words(.noApplication, sentence, advice) }
        static func malformed(_ sentence: Text, _ advice: Text = "the file is damaged") -> Words {
            Words(.malformed, sentence, advice)
        }
        static func wrongKind(_ sentence: Text, _ advice: Text) -> Words { Words(.wrongKind, sentence, advice) }
        static func entryContract(_ sentence: Text, _ advice: Text) -> Words { Words(.entryContract, sentence, advice) }
        static func relocation(_ sentence: Text, _ advice: Text = "the file is damaged") -> Words {
            Words(.relocation, sentence, advice)
        }
        static func placement(_ sentence: Text, _ advice: Text) -> Words { Words(.placement, sentence, advice) }
        static func platform(_ sentence: Text, _ advice: Text) -> Words { Words(.platform, sentence, advice) }
        static func exception(_ sentence: Text, _ advice: Text) -> Words { Words(.exception, sentence, advice) }
        static func options(_ sentence: Text, _ advice: Text) -> Words { Words(.options, sentence, advice) }
    }

    /// The advice for an image that must lie where the machine has something else.
    private var adviceToLinkElsewhere: Text {
        "link the application position independent (-pie), or at an address that is free there, such as 16 MiB"
    }

    /// The words of this rule.
    public var words: Words {
        switch self {
        case .noModule: .noApplication("no application was given", "give the application as a module or as initrd")
        case .emptyFile: .noApplication("the file is empty", "give an ELF file")
        case .notELF:
            .malformed(
                "this is not an ELF file: it begins with %v, not with 0x464c457f (\\x7fELF)", "give an ELF file"
            )
        case .fileTooShort:
            .malformed(
                "the file ends after %d bytes, inside a structure that needs %m",
                "the file was cut short: copy or build it again")
        case .notClass64:
            .wrongKind("EI_CLASS is %d: a 32-bit file (2, ELFCLASS64, is needed)", "build it for x86-64")
        case .notLittleEndian:
            .wrongKind(
                "EI_DATA is %d: not little endian (1, ELFDATA2LSB, is needed)", "build it for x86-64")
        case .badIdentVersion: .malformed("EI_VERSION is %d, not 1")
        case .wrongMachine: .wrongKind("e_machine is %d, not 62 (x86-64)", "build it for x86-64")
        case .objectFile: .wrongKind("e_type is ET_REL: an object file; a linked file is needed", "link it")
        case .coreFile: .wrongKind("e_type is ET_CORE: a core dump", "give the file that was running")
        case .unknownFileType:
            .wrongKind("e_type is %d, not ET_EXEC (2) or ET_DYN (3)", "link it again")
        case .badVersion: .malformed("e_version is %d, not 1")
        case .badHeaderSize: .malformed("e_ehsize is %d, less than %m")
        case .badProgramHeaderSize: .malformed("e_phentsize is %d, not %m")
        case .badSectionHeaderSize: .malformed("e_shentsize is %d, not %m")
        case .programHeadersBeyondFile:
            .malformed(
                "the program headers end at %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .noProgramHeaders:
            .wrongKind("there are no program headers, so nothing to load", "link it again")
        case .noSectionHeaderForCount:
            .malformed(
                "e_phnum is PN_XNUM, but there is no section header 0 to hold the count",
                "the file is damaged, or was stripped of section headers it needs")
        case .segmentBeyondFile:
            .malformed(
                "its bytes end at %v, beyond the file's end at %l", "the file was cut short: copy or build it again")
        case .segmentFileSizeExceedsMemory: .malformed("p_filesz %v exceeds p_memsz %l")
        case .segmentAddressOverflow:
            .malformed("its memory range does not fit in 64 bits: it starts at %v and is %l bytes long")
        case .segmentAlignment: .malformed("p_align is %v, not a power of two")
        case .noLoadSegment:
            .wrongKind("there is no PT_LOAD segment, so nothing to load", "link it again")
        case .segmentsOverlap:
            .malformed(
                "it starts at %v, below the end of an earlier PT_LOAD segment at %l",
                "PT_LOAD segments must ascend and not overlap: fix the linker script")
        case .imageTooLarge:
            .placement(
                "the image needs %v bytes of memory; at most %l can be placed",
                """
                look for stray addresses in the linker script, or large arrays; if the limit is below 3 GiB, \
                more memory helps
                """)
        case .duplicateSegmentType: .malformed("a second segment of type %v; only one is allowed")
        case .needsInterpreter:
            .wrongKind(
                "it asks for the program interpreter %n: a program for an operating system, not a unikernel",
                "link the application statically for Hermit")
        case .tlsOutsideImage:
            .malformed(
                "the TLS template at %v is not inside a PT_LOAD segment",
                "the file is damaged, or its linker script is wrong")
        case .entryOutsideImage:
            .malformed("e_entry %v is not inside a PT_LOAD segment", "link with an entry symbol: -e _start")
        case .bytesListedTwice:
            .malformed("with it, notes or relocations of %v bytes are listed, more than the file's %l")
        case .noteTruncated: .malformed("a note ends at %v, beyond the end of its segment at %l")
        case .entryVersionSize:
            .entryContract(
                "the Hermit entry version note holds %d bytes, not 1",
                "build the application with an unmodified Hermit kernel")
        case .unknownEntryVersion:
            .entryContract("Hermit entry version %d is not known (1 to %m are)", "use a newer loader")
        case .contradictoryEntryVersion:
            .entryContract(
                "Hermit entry version %d contradicts an earlier note that says %m",
                "the application links two kernels: rebuild it")
        case .abiTagSize:
            .entryContract(
                "the ABI tag note holds %d bytes, fewer than 16",
                "build the application with an unmodified Hermit kernel")
        case .abiTagNotHermit:
            .entryContract(
                "the ABI tag names operating system %d, not 6 (Hermit)",
                "this program was built for another operating system")
        case .missingEntryVersion:
            .entryContract(
                "there is no Hermit entry version note, and EI_OSABI is %d, not 255 as in Hermit images before 0.4.3",
                """
                build the application for Hermit, and keep its notes (.note.hermit.entry) when linking and stripping; or say which \
                contract it has: loader.generation=0, 1, 2, 3, 4-recursive or 4-identity
                """)
        case .unknownLoaderOption:
            .options(
                "unknown loader option, from here: %n",
                """
                the options are loader. followed by generation=0, 1, 2, 3, 4-recursive or 4-identity, base= and an address, \
                sha256= and a digest, align16, no-align16, protect, no-protect, kaslr, quiet and verbose
                """)
        case .alignmentOptionMisplaced:
            .options(
                "loader.align16 and loader.no-align16 are for entry versions 2 and 3, and this application's is %d",
                "leave the option out")
        case .digestMalformed:
            .options(
                "not 64 hexadecimal digits after loader.sha256=, from here: %n",
                "take the digits that sha256sum prints for the file")
        case .digestDiffers:
            .options(
                "the file's SHA-256 has %v where that of loader.sha256= has %l",
                "give the file that was meant, or the digest of this one")
        case .baseMalformed:
            .options(
                "no number after loader.base=, from here: %n",
                "write the address in decimal, or in hexadecimal after 0x")
        case .baseMisaligned:
            .options(
                "loader.base: at %v the image's segments would be misaligned; at %l they are aligned",
                "give that address")
        case .baseOutsideMemory:
            .options(
                "loader.base: the image would lie at %v up to %l, which is not entirely RAM below 4 GiB",
                "give another address, or the machine more memory")
        case .baseTooHigh:
            .options(
                "loader.base: the image would end at %v, and kernels of this entry version must end at or below %l",
                "give a lower address")
        case .baseOfFixedImage:
            .options(
                "loader.base: the file is linked at a fixed address, %l, not at %v",
                "leave the option out, or link the application position independent (-pie)")
        case .randomPlaceOfFixedImage:
            .options(
                "loader.kaslr: the file is linked at a fixed address, %v",
                "leave the option out, or link the application position independent (-pie)")
        case .dynamicMisaligned: .malformed("PT_DYNAMIC is %d bytes long, not a multiple of 16")
        case .dynamicAddressOutsideFile:
            .malformed("the table at address %v, %l bytes long, is not inside the bytes of a PT_LOAD segment")
        case .dynamicMissing: .malformed("it is missing, but another entry needs it")
        case .badEntrySize: .malformed("the entry size is %d, not %m")
        case .tableSizeNotMultiple: .malformed("the table is %d bytes long, not a multiple of %m")
        case .badPLTRelocationKind: .malformed("it is %d, neither DT_RELA (7) nor DT_REL (17)")
        case .needsLibrary:
            .wrongKind(
                "it needs libraries that no module provides: %n",
                """
                give the shared libraries as further modules, or link the application statically; a module without a \
                name in its string is known by its DT_SONAME only
                """)
        case .hashTableMalformed: .malformed("the hash table does not fit in its segment, or was cut out of the file")
        case .relocationTypeUnknown:
            .relocation(
                "relocation type %d at %a against %n is not one of the psABI's (0 to %m)",
                "the file is damaged, or comes from a newer toolchain")
        case .relocationOnlyInObjects:
            .relocation(
                "%t at %a against %n: linkers resolve this type, %d: it cannot be in a linked file",
                "the file is damaged: link it again")
        case .relocationOutsideImage:
            .relocation("%t against %n: the place %v is not inside the image, which ends at %l")
        case .relocationOverflow:
            .relocation(
                "%t at %a: the value %v of %n is beyond what the field can hold, %l",
                "link at a lower address, or as position independent code")
        case .copyWithoutSource:
            .relocation(
                "%t at %a: no other file defines %n, so there is nothing to copy",
                "link its definition into the application")
        case .symbolNotThreadLocal:
            .relocation(
                "%t at %a needs a thread-local symbol, but %n has type %d",
                "one file declares it thread-local and another does not: fix the sources")
        case .noThreadLocalSegment: .relocation("%t at %a against %n, but there is no PT_TLS segment")
        case .tlsBeforeImage:
            .malformed(
                "the TLS template at %v, aligned to %l, would begin before the image",
                "align the TLS section in the linker script")
        case .relativeCountWrong:
            .relocation(
                "%t at %a is among the %m entries that DT_RELACOUNT says are relative",
                "the file is damaged: link it again")
        case .resolverOutsideImage:
            .relocation("%t at %a against %n: the resolver at %v is not inside the image, which ends at %l")
        case .resolverOutOfPlace:
            .relocation(
                "%t at %a: its resolver at %v cannot run before the image has replaced the loader",
                "link the application at an address above the loader's")
        case .symbolIndexOutsideTable: .relocation("symbol index %d is outside the symbol table of %m entries")
        case .symbolUndefined:
            .relocation(
                "undefined: %n, needed at %v",
                "link its definition into the application, with --export-dynamic for libraries")
        case .symbolThreadLocal:
            .relocation(
                "%t at %a needs an address, but %n is thread-local",
                "one file declares it thread-local and another does not: fix the sources")
        case .relativeRelocationMisplaced: .relocation("a RELR bitmap before any address")
        case .noRoomForImage:
            .placement(
                "no free memory for the image: it needs %v bytes that begin at a multiple of %l",
                "give the machine more memory; if that does not help, make the image or its alignment smaller")
        case .imageOutsideMemory:
            .placement(
                "the image must lie at %v up to %l, which is not entirely RAM between 4 KiB and 4 GiB",
                """
                link the application at a lower address, or position independent (-pie); if the image ends below 3 GiB, \
                more memory helps, too
                """)
        case .imageOverFirmware:
            .placement(
                "from %v up to %l, where the image must lie, the firmware has reserved memory for itself",
                adviceToLinkElsewhere)
        case .imageOverTables:
            .placement(
                "from %v up to %l, where the image must lie, the firmware has ACPI tables", adviceToLinkElsewhere)
        case .imageOverNonVolatile:
            .placement(
                "from %v up to %l, where the image must lie, the firmware keeps ACPI's non-volatile memory (NVS)",
                adviceToLinkElsewhere)
        case .imageOverDefective:
            .placement("from %v up to %l, where the image must lie, RAM is defective", adviceToLinkElsewhere)
        case .imageAboveReach:
            .placement(
                "the image must lie at %v up to %l, above the 4 GiB that the loader can reach",
                "link the application at a lower address, or position independent (-pie)")
        case .noRoomForHandoff:
            .placement(
                "no free memory for the page tables, stack and BootInfo: %v bytes",
                "give the machine more memory, or link the application at a higher address, such as 8 MiB")
        case .noRoomForModule:
            .placement(
                "the image must lie where modules are, and there is no other place for their %v bytes",
                "give the machine more memory")
        case .pageTableRoom:
            .placement("the page tables need more than the %d pages set aside for them", "please report it")
        case .deviceTreeRoom:
            .placement("the device tree needs more than the %d bytes set aside for it", "shorten the command line")
        case .memoryTooSmall: .placement("the machine has no usable memory", "give the machine more memory")
        case .unknownBootProtocol:
            .platform(
                """
                the loader was started by no protocol that it knows: the magic number is %v, and no boot_params of Linux are at %l
                """, "start it with QEMU's -kernel, or as a PVH kernel")
        case .platformStructureOutsideMemory:
            .platform(
                "the firmware's structure of %l bytes at %v is not in memory that can be read",
                "the boot loader or virtual machine monitor is at fault")
        case .noMemoryMap:
            .platform("the firmware gave no memory map", "the boot loader or virtual machine monitor is at fault")
        case .memoryMapMalformed:
            .platform(
                "the memory map has an entry of %d bytes, fewer than %m",
                "the boot loader or virtual machine monitor is at fault")
        case .memoryBeyondAddresses:
            .platform(
                "the memory map has RAM at %v of %l bytes, which ends past 2^64",
                "the boot loader or virtual machine monitor is at fault")
        case .tooManyRegions: .platform("the memory map has more than %m entries", "please report it")
        case .tooManyModules: .platform("there are %d modules; at most %m are supported", "give fewer modules")
        case .tooManyReservations: .platform("more than %m reserved ranges", "please report it")
        case .moduleOutsideMemory:
            .placement(
                "the module at %v up to %l is not entirely in RAM below 4 GiB",
                "give the machine more memory, or a smaller file (strip)")
        case .commandLineTooLong: .platform("the command line is longer than %m bytes", "shorten it")
        case .tagMalformed:
            .platform(
                "the Multiboot 2 tag of type %m has %d bytes: too few for its fields, or more than the list has",
                "the boot loader or virtual machine monitor is at fault")
        case .setupDataEndless:
            .platform(
                "the list of Linux's setup_data has more than %m elements",
                "the boot loader or virtual machine monitor is at fault")
        case .badStartInfo:
            .platform("the PVH start info has magic %v, not 0x336ec578", "the virtual machine monitor is at fault")
        case .cpuException: .exception("CPU exception %d at %l", "the application or the loader is at fault")
        case .noSectionHeaders:
            .malformed(
                "an object file without section headers, which list what to load",
                "the file was stripped too far: build it again")
        case .sectionHeadersBeyondFile:
            .malformed(
                "the section headers end at %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .sectionBeyondFile:
            .malformed(
                "the section's bytes end at %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .sectionAlignment: .malformed("sh_addralign is %v, not a power of two")
        case .sectionTooLarge: .malformed("%l bytes, its size or its alignment, do not fit after address %v")
        case .sectionCompressed: .malformed("SHF_COMPRESSED together with SHF_ALLOC, which the gABI forbids")
        case .badSectionLink: .malformed("it refers to section %d of %m, which is missing or is not the right one")
        case .noSymbolTable:
            .wrongKind(
                "an object file without a symbol table, which says where it begins",
                "the file was stripped too far: build it again")
        case .commonAlignment: .malformed("the common symbol's alignment, its st_value, is %v, not a power of two")
        case .entrySymbolMissing:
            .wrongKind(
                "no section of the object file defines the global symbol '_start', the entry point",
                "define _start, or combine the object files with ld -r")
        case .entryOutsideSection:
            .malformed("'_start' is at offset %v, not inside the %l bytes in memory of its section")
        case .relocationOnlyInLinkedFiles:
            .relocation(
                "%t at %a against %n: only linkers make this type, %d: it cannot be in an object file",
                "the file is damaged: compile it again")
        case .relocationOutsideSection:
            .relocation("%t against %n: the place %v is not inside its section, which ends at %l")
        case .compactRelocationsMalformed:
            .malformed(
                "the number at offset %v of the %l bytes of compact relocations is cut off, or has more than 64 bits",
                "the file is damaged, or another version of LLVM made it")
        case .symbolNotLoaded:
            .relocation(
                "%t at %a against %n, which is in section %d: that is not in memory at run time",
                "keep code and data in other sections than debug information")
        case .tooManyPriorities:
            .wrongKind("the sections of initialisers have more than %m different priorities", "link the application")
        case .tooManySectionNames:
            .wrongKind(
                "%t at %a against %n: more than %m symbols have the form __start_NAME or __stop_NAME",
                "link the application")
        case .symbolSectionUnknown: .relocation("%t at %a against %n, which is in section %d: there are %m sections")
        case .tlsSequenceUnknown:
            .relocation(
                "%t at %a against %n: the code is not one of the psABI's sequences, and no __tls_get_addr is defined",
                "compile with -ftls-model=local-exec")
        case .sectionsApart:
            .relocation(
                "%t at %a against %n: the sections of this name do not lie side by side", "make one of them: ld -r")
        case .notSharedObject:
            .wrongKind(
                "e_type is ET_EXEC: a file linked at a fixed address; a shared object is needed",
                "link the library with -shared")
        case .versionMissing:
            .relocation(
                "%n: a symbol needs a version that the library named last does not define",
                "give the library that it was linked with")
        case .versionTableMalformed: .malformed("the version entry at %v does not fit in its table of %l bytes")
        case .symbolSearchTooLong:
            .malformed("a symbol search took more than %d steps: the hash or version tables are malformed")
        case .arrayOutsideImage:
            .malformed("the array of initialisers or finalisers at %v is not inside the image, which ends at %l")
        case .symbolVersionMissing:
            .relocation(
                "undefined: %n, needed at %v: the library named last has no such symbol of that version",
                "give the library that it was linked with")
        case .copyOutsideImage:
            .relocation("%t at %a: the original of %n at %v is not inside its image, which ends at %l")
        case .relocationFormUnknown:
            .wrongKind(
                "it names relocations in a form that is not known", "link it with --pack-dyn-relocs=relr")
        case .optionMisplaced:
            .options("a loader option after another file than the application: %n", "give it after the application")
        case .optionForKernel:
            .options(
                "a loader option on the kernel's command line, where it has no effect, from here: %n",
                "give it with the application's module, after the file's name, or after -- if it is the application's"
            )
        case .optionAfterOthers:
            .options(
                "a loader option that does not come first on the command line, and so has no effect, from here: %n",
                "put it before all other words, or after -- if it is the application's")
        case .entryWithoutBytes:
            .wrongKind(
                "the entry point %v is in it, where the file has no bytes: zeros would be executed",
                """
                link with an entry symbol, -e _start; if the file holds debugging information only, give the program that it was \
                split from
                """)
        case .entryInHeader:
            .wrongKind(
                "e_entry %v points at the file's own header, which is not code",
                "link with an entry symbol: -e _start")
        case .entryNotExecutable:
            .wrongKind(
                "the entry point %v is in it, and it is not executable",
                """
                link with an entry symbol that is code, in a segment with PF_X (of an object file in a section with \
                SHF_EXECINSTR), or say loader.no-protect
                """)
        case .debuggingInformationOnly:
            .wrongKind(
                """
                the entry point %v is in it, and it has no bytes in the file (SHT_NOBITS): this is the program's debugging \
                information without the program
                """, "give the program that it was split from")
        case .gzipHeaderUnknown:
            .malformed(
                "gzip: the compression method is %d (8, deflate, is needed) and the flags are %l (at most 0x1f)",
                "pack it with gzip")
        case .gzipTruncated:
            .malformed(
                "gzip: the file ends at %v, but more should follow", "the file was cut short: copy or pack it again")
        case .gzipChecksum:
            .malformed(
                "gzip: the checksum or the size of the unpacked data is %v, not %l",
                "the file is damaged: pack it again")
        case .gzipTrailingBytes:
            .malformed(
                "gzip: bytes after the last member are not another member", "pack it again, and append nothing")
        case .deflateBlockUnknown: .malformed("gzip: a block of type 3, which is reserved")
        case .deflateStoredLength:
            .malformed("gzip: a stored block has the length %v, and the complement of its length is %l")
        case .deflateCodeLengths: .malformed("gzip: the code lengths of a block do not form a valid code")
        case .deflateSymbolUnknown: .malformed("gzip: a code without a meaning")
        case .deflateDistance: .malformed("gzip: bytes are repeated from %d bytes earlier, and there are only %m")
        case .tarTruncated:
            .malformed(
                "tar: the archive ends at %l, inside an entry or a header", "the archive was cut short: make it again")
        case .tarChecksum: .malformed("tar: the sum of the header's bytes is %d, not %m")
        case .tarNumber: .malformed("tar: a field of the header is not a number")
        case .tarRecord:
            .malformed("tar: a pax record is not LENGTH KEY=VALUE, or has a value that its key cannot have here")
        case .tarEntryUnknown:
            .malformed(
                "tar: an entry of type %d: a file with holes, or one in parts", "make the archive without tar --sparse")
        case .tarPathOutside:
            .malformed(
                "tar: a name with .. in it, which leads out of the archive", "store files by names below the root")
        case .configurationMissing:
            .wrongKind(
                "the archive has no file hermit.toml at its root",
                "add one, as loader-inspect image create does")
        case .configurationSyntax:
            .malformed(
                "hermit.toml, line %d, column %m: this is not valid here",
                "write it as TOML; only keys, tables, strings, integers and arrays of strings are supported")
        case .configurationKey:
            .malformed(
                "hermit.toml, line %d, column %m: this key or table is unknown or repeated",
                """
                the keys are version and kernel, [input] with kernel_args, app_args and env_vars, and [requirements] with memory \
                and cpus
                """)
        case .configurationValue:
            .malformed(
                "hermit.toml, line %d, column %m: not a value that can stand here",
                """
                version and kernel take a string, the keys of [input] arrays of strings, memory a size such as "64 MiB", \
                and cpus a number
                """)
        case .configurationIncomplete:
            .malformed("hermit.toml names no kernel", "say kernel = and the path of the ELF file in the archive")
        case .configurationVersion:
            .wrongKind(
                "hermit.toml, line %d, column %m: the version is not \"1\"", "say version = \"1\" in the first line")
        case .kernelNotInArchive:
            .wrongKind(
                "hermit.toml, line %d, column %m: the archive has no file of that name",
                "store the kernel itself under that name")
        case .archiveTooLarge:
            .placement(
                "unpacked, the archive has %d bytes, and the largest room in memory has %m",
                "give the machine more memory")
        case .memoryBelowRequirement:
            .placement(
                "the image requires %d bytes of memory, and the machine has %m", "give the machine as much")
        case .processorsBelowRequirement:
            .placement("the image requires %d processors; the machine has %m", "give the machine as many")
        }
    }
}
