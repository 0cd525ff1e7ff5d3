// Notes in linkers' layouts: 4-byte ones in a segment aligned to 8, because one of them requires it.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct NoteLinkerTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    /// An 8-aligned note of QEMU's, and Hermit's two.
    private static let source = """
        .globl _start
        _start: hlt
        .section .note.Xen, "a", @note
        .balign 8
        .long 4, 8, 18
        .asciz "Xen"
        .quad 0x1234
        .section .note.hermit, "a", @note
        .balign 4
        .long 7, 1, 0x5a00
        .asciz "HERMIT"
        .balign 4
        .byte 4
        .balign 4
        .section .note.ABI-tag, "a", @note
        .balign 4
        .long 4, 16, 1
        .asciz "GNU"
        .long 6, 0, 13, 2
        .section .note.GNU-stack, "", @progbits
        """
    private static let script = """
        ENTRY(_start)
        PHDRS { all PT_LOAD FLAGS(5); note PT_NOTE FLAGS(4); }
        SECTIONS { . = 0x400000; .note : { *(.note.Xen) *(.note.*) } :all :note .text : { *(.text*) } :all }
        """

    private func link(_ linker: String, _ arguments: [String]) async throws {
        try folder.write("a.s", Array(Self.source.utf8))
        try folder.write("a.ld", Array(Self.script.utf8))
        let build = "cc -c -o a.o a.s && \(linker) \(arguments.joined(separator: " ")) -o a a.o"
        let built = try await Tool.run(program: "sh", ["-c", build], in: folder.url)
        #expect(built.status == 0, "\(built.errors)")
        let run = try await Tool.run(["notes", "a"], in: folder.url)
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
        for meaning in ["PVH entry point 0x1234", "Hermit entry version 4", "ABI tag: Hermit 0.13.2"] {
            #expect(run.output.contains(meaning), "\(run.output)")
        }
        // Nothing else is taken for a note; gold adds one of its own.
        let rows = run.output.split(separator: "\n").filter { $0.contains("0x") }
        let owners = Set(rows.map { String($0.split(separator: " ")[1]) })
        #expect(owners == ["Xen", "HERMIT", "GNU"], "\(run.output)")
        let verdict = try await Tool.run(["a"], in: folder.url)
        #expect(verdict.status == 0, "\(verdict.output)\(verdict.errors)")
    }

    @Test(.enabled(if: isInstalled("ld.mold"), "there is no ld.mold")) func mold() async throws {
        try await link("ld.mold", ["-static"])
    }

    @Test(.enabled(if: isInstalled("ld.bfd"), "there is no ld.bfd"), arguments: [[], ["-T", "a.ld"]])
    func gnuLinker(_ arguments: [String]) async throws { try await link("ld.bfd", ["-static"] + arguments) }

    @Test(.enabled(if: isInstalled("ld.gold"), "there is no ld.gold"), arguments: [[], ["-T", "a.ld"]])
    func gold(_ arguments: [String]) async throws { try await link("ld.gold", ["-static"] + arguments) }

    @Test(.enabled(if: isInstalled("ld.lld"), "there is no ld.lld"), arguments: [[], ["-T", "a.ld"]])
    func lld(_ arguments: [String]) async throws { try await link("ld.lld", ["-static"] + arguments) }
}
