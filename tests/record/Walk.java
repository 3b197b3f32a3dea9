// SPDX-License-Identifier: MIT
// An object of Java, from its virtual address to its frame. Run with -XX:-UseCompressedOops, so that a reference is an address,
// and with a collector that moves nothing by itself.
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import sun.misc.Unsafe;

public class Walk {
    static final long MAGIC = 0x517569726551756BL;

    public static void main(String[] words) throws Exception {
        Field field = Unsafe.class.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        Unsafe unsafe = (Unsafe) field.get(null);
        long[] object = new long[1000];
        for (int i = 0; i < object.length; i++)
            object[i] = MAGIC + i;
        Object[] holder = { object };
        long address = unsafe.getLong(holder, unsafe.arrayBaseOffset(Object[].class)) + unsafe.arrayBaseOffset(long[].class);
        System.out.printf("pid %d%naddress %x%n", ProcessHandle.current().pid(), address);
        try (RandomAccessFile pagemap = new RandomAccessFile("/proc/self/pagemap", "r")) {
            byte[] word = new byte[8];
            pagemap.seek((address >>> 12) * 8);
            pagemap.readFully(word);
            System.out.printf("pagemap %x%n", ByteBuffer.wrap(word).order(ByteOrder.LITTLE_ENDIAN).getLong() & (1L << 55) - 1);
        }
        if (Files.exists(Path.of("/proc/self/explain")))
            System.out.print(Files.readString(Path.of("/proc/self/explain/" + Long.toHexString(address))));
        System.out.println("ready");
        System.out.flush();
        System.in.read();
        System.out.println("last " + Long.toHexString(object[999]));
    }
}
