import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

// Says of each line (pattern, replacement and name, each as base64) which name Java's
// String.replaceAll makes, as base64; ! where it throws.
class ReplaceAll {
    static String text(String field) {
        return new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8);
    }

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var out = new StringBuilder();
        for (String line; (line = in.readLine()) != null; ) {
            String[] f = line.split(" ", -1);
            try {
                String name = text(f[2]).replaceAll(text(f[0]), text(f[1]));
                out.append(Base64.getEncoder().encodeToString(name.getBytes(StandardCharsets.UTF_8)));
            } catch (RuntimeException | StackOverflowError e) {
                out.append('!');
            }
            out.append('\n');
        }
        System.out.print(out);
    }
}
