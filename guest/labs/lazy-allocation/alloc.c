#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#define ALLOC_MB 100  // 100MB 할당

int main() {
    size_t size = ALLOC_MB * 1024 * 1024;
    printf("🔹 Step 1: malloc으로 %dMB 영역만 할당합니다.\n", ALLOC_MB);
    
    char *buffer = malloc(size);
    if (!buffer) {
        perror("malloc");
        return 1;
    }

    printf("🔸 현재 메모리 상태를 확인해보세요 (다른 터미널에서):\n");
    printf("    > cat /proc/%d/status | grep Vm\n", getpid());
    printf("    > pmap %d | grep anon", getpid());
    printf("\n👉 엔터를 누르면 메모리를 실제로 접근합니다...\n");
    getchar();

    printf("🔹 Step 2: memset으로 메모리에 실제 접근을 시작합니다.\n");
    memset(buffer, 0, size);  // 실제로 메모리에 쓰기 (페이지 폴트 발생)

    printf("🔸 다시 메모리 상태를 확인해보세요 (Resident size가 늘어남):\n");
    printf("    > cat /proc/%d/status | grep Vm\n", getpid());
    printf("    > pmap %d | grep anon", getpid());

    getchar(); // 종료 전 대기
    free(buffer);
    return 0;
}
