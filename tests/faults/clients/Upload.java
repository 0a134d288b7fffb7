// Uploads with java.net.http. Takes an address, a number of bytes and a count; prints what each
// attempt has seen, one a line: the status, or the error.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Upload {
    public static void main(String[] arguments) throws Exception {
        byte[] body = new byte[Integer.parseInt(arguments[1])];
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        for (int n = 0; n < Integer.parseInt(arguments[2]); n++) {
            try {
                var answer = client.send(request, HttpResponse.BodyHandlers.discarding());
                System.out.println(answer.statusCode());
            } catch (java.io.IOException error) {
                System.out.println(error);
            }
        }
        // The threads of the client would keep the program for a while.
        System.exit(0);
    }
}
