// memory.S, which the compiler calls by name: assembled under other names, and compared byte by byte with plain loops.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MemoryAssemblyTests {
    private static let source = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources/CMachine/memory.S")

    /// Every size up to some words, from every place in a word to every other, and with every overlap of two ranges. Bytes
    /// around the destination stay unchanged, the destination is returned, and the direction flag is clear.
    private static let program = """
        #include <stddef.h>
        #include <stdio.h>
        void *own_memcpy(void *, const void *, size_t);
        void *own_memmove(void *, const void *, size_t);
        void *own_memset(void *, int, size_t);
        enum { MOST = 40, ROOM = 160 };
        static unsigned char memory[ROOM], expected[ROOM], other[ROOM];
        static void fill(void) {
            for (int i = 0; i < ROOM; i++) memory[i] = expected[i] = i * 37 + 11, other[i] = i * 91 + 5;
        }
        static int check(const char *name, int to, int from, int size, void *returned) {
            unsigned long flags;
            __asm__ volatile("pushfq; popq %0; cld" : "=r"(flags));
            int differs = -1;
            for (int i = 0; i < ROOM; i++) if (memory[i] != expected[i]) differs = i;
            if (differs < 0 && returned == memory + to && !(flags & 1 << 10)) return 0;
            printf("%s to %d from %d, %d bytes: byte %d, returned %ld, flags %lx\\n", name, to, from, size, differs,
                   (long)((unsigned char *)returned - memory), flags);
            return 1;
        }
        int main(void) {
            int wrong = 0, cases = 0;
            for (int size = 0; size <= MOST; size++)
                for (int to = 48; to < 64; to++) {
                    for (int value = -1; value < 512; value += 171) {
                        fill();
                        for (int i = 0; i < size; i++) expected[to + i] = value;
                        wrong += check("memset", to, value, size, own_memset(memory + to, value, size));
                        cases++;
                    }
                    for (int from = 48; from < 64; from++) {
                        fill();
                        for (int i = 0; i < size; i++) expected[to + i] = other[from + i];
                        wrong += check("memcpy", to, from, size, own_memcpy(memory + to, other + from, size));
                        cases++;
                    }
                    for (int from = to - 45; from <= to + 45; from++) {
                        fill();
                        unsigned char copy[MOST];
                        for (int i = 0; i < size; i++) copy[i] = expected[from + i];
                        for (int i = 0; i < size; i++) expected[to + i] = copy[i];
                        wrong += check("memmove", to, from, size, own_memmove(memory + to, memory + from, size));
                        cases++;
                    }
                }
            printf("%d cases\\n", cases);
            return wrong != 0;
        }
        """

    @Test func `memcpy, memmove and memset`() async throws {
        let folder = try Folder()
        let source = try folder.write("test.c", Self.program), program = folder.place("test")
        let names = ["memcpy", "memmove", "memset"].map { "-D\($0)=own_\($0)" }
        let object = folder.place("memory.o")
        try await make(["clang", "-c", "-o", object.path, Self.source.path] + names)
        try await make(["clang", "-O1", "-fno-builtin", "-o", program.path, source.path, object.path])
        let result = try await run([program.path])
        #expect(result.succeeded, "\(result.output.prefix(2000))")
        #expect(result.output.hasSuffix("72160 cases\n"), "\(result.output.suffix(200))")
    }
}
